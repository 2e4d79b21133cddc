import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ANY_OWNER } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { connectModern } from "../../../packages/server/test/clients/support/modern.ts";
import { useDatabase } from "../../databases/fixtures.ts";
import { readmeFences } from "../../readmes.ts";
import { Peer } from "../serving/support/rpc.ts";
import { Program, useScratch } from "./program.ts";

// The programs of tooling/docs/guides/serverless.md.

const scratch = useScratch("serverless");
const database = useDatabase();
let store: PostgresTaskStore;

beforeAll(async () => {
  const fences = readmeFences().filter(
    ({ readme, info }) => readme.endsWith("serverless.md") && info.includes("title"),
  );
  for (const { file, code } of fences) await writeFile(join(scratch.path, file), code);
});
beforeEach(() => {
  vi.stubEnv("DATABASE_URL", database.url);
  // Each test has instances of its own.
  vi.resetModules();
  store = new PostgresTaskStore({ connectionString: database.url });
});
afterEach(async () => {
  await (await load("studio-tasks.ts")).store.close();
  await store.close();
  vi.unstubAllEnvs();
});

function load(file: string) {
  return import(join(scratch.path, file));
}

test("wait-until.ts answers first, and then runs the task", async () => {
  vi.stubEnv("FRAME_MS", "0");
  const { default: app } = await load("wait-until.ts");
  const works: Promise<unknown>[] = [];
  const peer = new Peer("http://127.0.0.1/mcp", (request) =>
    app.fetch(request, {}, { waitUntil: (work: Promise<unknown>) => works.push(work) }),
  );
  const { taskId, status } = await peer.start("render", { frames: 3 });
  expect(status).toBe("working");
  expect(await Promise.all(works)).toEqual([{ ran: 1, done: true }]);
  const text = "3 rendered, the last run began at 0";
  expect(await peer.task(taskId)).toMatchObject({ status: "completed", result: { content: [{ text }] } });
});

test("lambda.ts gives a task back before its time is up, and the next call of the schedule goes on", async () => {
  vi.stubEnv("FRAME_MS", "20");
  const { handler } = await load("lambda.ts");
  const forMs = (ms: number) => ({ getRemainingTimeInMillis: () => ms });
  const peer = new Peer("https://abc.lambda-url.example/mcp", async (request) => {
    const { statusCode, headers, body } = await handler(
      {
        requestContext: { domainName: "abc.lambda-url.example", http: { method: request.method } },
        rawPath: "/mcp",
        rawQueryString: "",
        headers: Object.fromEntries(request.headers),
        body: Buffer.from(await request.arrayBuffer()).toString("base64"),
        isBase64Encoded: true,
      },
      forMs(30_000),
    );
    return new Response(body, { status: statusCode, headers });
  });
  const { taskId } = await peer.start("render", { frames: 60 });
  const schedule = { source: "aws.scheduler" };
  // 1.2 s of work at least.
  expect(await handler(schedule, forMs(5_300))).toEqual({ ran: 1, done: false });
  // No time is left beside the margin.
  expect(await handler(schedule, forMs(4_000))).toMatchObject({ done: false });
  const half = await store.getRecord(taskId, { owner: ANY_OWNER });
  expect(half).toMatchObject({ task: { status: "working" }, attempt: 0 });
  expect(await handler(schedule, forMs(600_000))).toEqual({ ran: 1, done: true });
  const began = Number(half?.checkpoint ?? 0);
  const text = `60 rendered, the last run began at ${began}`;
  expect(await peer.task(taskId)).toMatchObject({ status: "completed", result: { content: [{ text }] } });
});

test("container.ts gives its tasks back on SIGTERM, and another container goes on", async () => {
  const start = (FRAME_MS: string) =>
    new Program(["container.ts"], { cwd: scratch.path, env: { DATABASE_URL: database.url, PORT: "0", FRAME_MS } });
  const urlOf = async (program: Program) => `http://127.0.0.1:${await program.said(/port: (\d+)/)}/mcp`;
  // A frame of the first container takes long, so that the signal comes in the middle of the task.
  await using first = start("1000");
  await using client = await connectModern(await urlOf(first));
  const execution = await client.session.callTool("render", { frames: 300 });
  if (execution.kind !== "task") throw new Error("The call was answered at once");
  const { taskId } = execution.serializeReference();
  await store.waitForTask(taskId, { until: "change", after: 1, owner: ANY_OWNER });

  await using second = start("0");
  await using other = await connectModern(await urlOf(second));
  expect(await first.end("SIGTERM")).toBe(0);
  await store.waitForResult(taskId, { owner: ANY_OWNER });
  const { result } = (await other.request("tasks/get", { taskId })) as { result?: unknown };
  const text = expect.stringMatching(/^300 rendered, the last run began at [1-9]/);
  expect(result).toMatchObject({ status: "completed", result: { content: [{ text }] } });
  // The run that was given back does not count.
  expect(await store.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ attempt: 1 });
});
