import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectModern } from "../../../packages/server/test/clients/support/modern.ts";
import { useDatabase } from "../../databases/fixtures.ts";
import { repositoryRoot, run } from "../../packages.ts";
import { Program, useScratch } from "./program.ts";

// The Next.js example, built by `next build` and served by `next start`.

const scratch = useScratch("nextjs");
const database = useDatabase();
const env = () => ({ DATABASE_URL: database.url, CRON_SECRET: "secret", NEXT_TELEMETRY_DISABLED: "1" });
const next = createRequire(join(repositoryRoot, "tooling/package.json")).resolve("next/dist/bin/next");
let program: Program;
let url: string;

beforeAll(async () => {
  await cp(join(repositoryRoot, "tooling/examples/nextjs"), scratch.path, { recursive: true });
  const options = { cwd: scratch.path, env: { ...process.env, ...env(), NODE_ENV: undefined } };
  await run(process.execPath, [next, "build"], options);
  program = new Program([next, "start", "--port", "0", "--hostname", "127.0.0.1"], { cwd: scratch.path, env: env() });
  url = await program.said(/Local: +(http\S+)/);
}, 300_000);
afterAll(() => program?.[Symbol.asyncDispose]());

test("A call makes a task, and the work begins after the answer", async () => {
  await using client = await connectModern(`${url}/api/mcp`);
  const execution = await client.session.callTool("render", { frames: 3 });
  expect(execution.kind).toBe("task");
  const content = [{ type: "text", text: "3 rendered" }];
  expect((await execution.settle()).outcome).toMatchObject({ status: "completed", result: { content } });
});

test("The cron job runs a task that no client asks for", async () => {
  await using store = new PostgresTaskStore({ connectionString: database.url });
  const request = { method: "tools/call", params: { name: "render", arguments: { frames: 2 } } };
  const { taskId } = await store.createTask({ ttl: 60_000, claimAfterMs: 0 }, 1, request);
  expect((await fetch(`${url}/api/cron`)).status).toBe(401);
  const answer = await fetch(`${url}/api/cron`, { headers: { authorization: "Bearer secret" } });
  expect(await answer.json()).toEqual({ ran: 1, done: true });
  expect(await store.getTaskResult(taskId)).toEqual({ content: [{ type: "text", text: "2 rendered" }] });
});
