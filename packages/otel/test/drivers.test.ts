import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { runTask, startWorker, type TaskStore } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import type ioredis from "ioredis";
import type pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { useDatabase, useKeys } from "../../../tooling/databases/fixtures.ts";
import { forgetSpans, instrumented, spans, tree } from "./support/telemetry.ts";

// The instrumentations of the drivers make spans, on their default settings, under those of the
// store.

const database = useDatabase();
const keys = useKeys();

// They hook CommonJS modules.
const require = createRequire(import.meta.url);
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { PgInstrumentation } = require("@opentelemetry/instrumentation-pg");
const { IORedisInstrumentation } = require("@opentelemetry/instrumentation-ioredis");
registerInstrumentations({ instrumentations: [new PgInstrumentation(), new IORedisInstrumentation()] });

const kinds: readonly (readonly [string, (sweepIntervalMs: number | false) => TaskStore])[] = [
  [
    "pg",
    (sweepIntervalMs) => {
      const { Pool } = require("pg") as typeof pg;
      const pool = new Pool({ connectionString: database.url });
      const store = new PostgresTaskStore({ pool, sweepIntervalMs });
      onTestFinished(async () => {
        await store.close();
        await pool.end();
      });
      return store;
    },
  ],
  [
    "ioredis",
    (sweepIntervalMs) => {
      const { Redis } = require("ioredis") as typeof ioredis;
      const client = new Redis(keys.url, { lazyConnect: true, keyPrefix: keys.prefix });
      const store = new RedisTaskStore({ client, sweepIntervalMs });
      onTestFinished(async () => {
        await store.close();
        client.disconnect();
      });
      return store;
    },
  ],
];

/** Resolves once this many operations have ended, of those that satisfy the condition. */
async function ended(operation: string, count = 1): Promise<void> {
  const channel = `tracing:mcp-task-store.${operation}:asyncEnd`;
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const listener = () => {
    seen += 1;
    if (seen === count) resolve();
  };
  subscribe(channel, listener);
  await promise;
  unsubscribe(channel, listener);
}

const ours = / grind$/;

describe.each(kinds)("%s", (_, open) => {
  test("the statements of polls and sweeps have no spans", async () => {
    instrumented();
    const store = open(5);
    // Opens the store.
    await store.getTask("none");
    forgetSpans();
    const claims = ended("claim", 3);
    const sweeps = ended("sweep");
    const worker = startWorker(store, { grind: async () => ({ content: [] }) }, { claimPollMs: 1, takeoverOnly: true });
    await Promise.all([claims, sweeps]);
    const poll = spans().map(({ name }) => name);
    await worker.stop();
    expect(poll).toEqual([]);
  });

  test("statements are under the operation that sent them, and those of heartbeats have no spans", async () => {
    instrumented();
    const store = open(false);
    await store.getTask("none");
    forgetSpans();
    const { taskId } = await store.createTask({ name: "grind", claimAfterMs: 0 });
    const [claimed] = await store.claimTasks({ names: ["grind"], limit: 1 });
    const renewals = ended("lease", 2);
    await runTask(
      store,
      taskId,
      async (task) => {
        await renewals;
        await task.progress("half");
        return { content: [] };
      },
      { lease: claimed?.lease, heartbeatMs: 5 },
    );
    const named = spans().filter(({ name }) => ours.test(name));
    const statements = spans().filter(({ name }) => !ours.test(name));
    const parentOf = (id: string | undefined) => named.find((each) => each.spanContext().spanId === id)?.name;
    const parents = statements.map(({ parentSpanContext }) => parentOf(parentSpanContext?.spanId));
    expect(tree(named)).toEqual([["send grind", ["process grind", ["updateTask grind"], ["finishTask grind"]]]]);
    expect(parents).toEqual(expect.arrayContaining(["send grind", "updateTask grind", "finishTask grind"]));
    expect(parents).not.toContain("process grind");
  });
});
