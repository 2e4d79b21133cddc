import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ANY_OWNER } from "@mcp-task-store/core";
import { migrate, PostgresTaskStore } from "@mcp-task-store/postgres";
import pg from "pg";
import { beforeAll, expect, test, vi } from "vitest";
import { useDatabase } from "../../databases/fixtures.ts";
import { freePort } from "../../databases/ports.ts";
import { readmeFences } from "../../readmes.ts";
import { Peer } from "../serving/support/rpc.ts";
import { Program, useScratch } from "./program.ts";

// The program of tooling/docs/scenarios/kubernetes.md.

const scratch = useScratch("kubernetes");
const database = useDatabase();

beforeAll(async () => {
  const found = readmeFences().find(({ readme, file }) => readme.endsWith("kubernetes.md") && file === "main.ts");
  await writeFile(join(scratch.path, "main.ts"), found?.code ?? "");
  const pool = new pg.Pool({ connectionString: database.url });
  await migrate(pool);
  await pool.end();
});

function start(role: "server" | "worker", env: Record<string, string> = {}): Program {
  return new Program(["main.ts", role], { cwd: scratch.path, env: { DATABASE_URL: database.url, ...env } });
}

/** Resolves once the probe has this status. */
async function probed(port: number, path: string, status: number): Promise<void> {
  const look = async () => expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(status);
  await vi.waitFor(look, { timeout: 30_000 });
}

test("a server makes tasks and a worker does them, and both end in order on SIGTERM", {
  timeout: 120_000,
}, async () => {
  const port = await freePort();
  await using server = start("server", { PORT: String(port) });
  await using worker = start("worker");
  await probed(port, "/ready", 200);
  await probed(port, "/alive", 200);
  const peer = new Peer(`http://127.0.0.1:${port}/mcp`, (request) => fetch(request));
  const { taskId } = await peer.start("render", { frames: 3 });
  await using store = new PostgresTaskStore({ connectionString: database.url });
  expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toMatchObject({ content: [{ text: "3 frames" }] });
  expect(await Promise.all([server.end("SIGTERM"), worker.end("SIGTERM")])).toEqual([0, 0]);
});

test("a server without its database is alive and not ready", { timeout: 60_000 }, async () => {
  const port = await freePort();
  await using server = start("server", { PORT: String(port), DATABASE_URL: "postgres://127.0.0.1:1/none" });
  await probed(port, "/alive", 200);
  await probed(port, "/ready", 503);
  expect(await server.end("SIGTERM")).toBe(0);
});
