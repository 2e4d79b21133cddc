/** For Express: `app.listen(3000, "127.0.0.1")`. */
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import express from "express";
import { dashboard } from "./operators.ts";

export const app = express();

// It may come before or after parsers of bodies.
app.use(express.json());
app.use("/ops", toNodeHandler(dashboard));
