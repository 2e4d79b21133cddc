/**
 * For Hono: `serve({ fetch: app.fetch, port: 3000 })` of `@hono/node-server`, or what your runtime
 * has.
 */
import { Hono } from "hono";
import { dashboard } from "./operators.ts";

export const app = new Hono();

app.all("/ops/*", (c) => dashboard.fetch(c.req.raw));
app.all("/ops", (c) => dashboard.fetch(c.req.raw));
