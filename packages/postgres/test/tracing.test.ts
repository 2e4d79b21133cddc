import { createRequire } from "node:module";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import type { PgInstrumentationConfig } from "@opentelemetry/instrumentation-pg";
import type { InMemorySpanExporter, ReadableSpan } from "@opentelemetry/sdk-trace-node";
import type pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";

// OpenTelemetry's instrumentation of pg, on the store's queries.

const database = useDatabase();
// The instrumentation hooks CommonJS modules.
const require = createRequire(import.meta.url);

type Data = Parameters<NonNullable<PgInstrumentationConfig["responseHook"]>>[1]["data"];

const trace = require("@opentelemetry/sdk-trace-node");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { PgInstrumentation } = require("@opentelemetry/instrumentation-pg");
const responses: Data[] = [];
const exporter: InMemorySpanExporter = new trace.InMemorySpanExporter();
const config: PgInstrumentationConfig = { responseHook: (_span, { data }) => responses.push(data) };
registerInstrumentations({
  tracerProvider: new trace.NodeTracerProvider({ spanProcessors: [new trace.SimpleSpanProcessor(exporter)] }),
  instrumentations: [new PgInstrumentation(config)],
});

async function traced(): Promise<{ pool: pg.Pool; store: PostgresTaskStore }> {
  const { Pool } = require("pg") as typeof pg;
  const pool = new Pool({ connectionString: database.url });
  const store = new PostgresTaskStore({ pool });
  onTestFinished(async () => {
    await store.close();
    await pool.end();
  });
  await store.listTasks();
  return { pool, store };
}

test("a response hook gets the same as for pg's own queries", async () => {
  const { pool, store } = await traced();
  responses.length = 0;
  const { taskId } = await store.createTask({}, 1, { method: "m" });
  await store.getTask(taskId);
  await pool.query({ name: "own", text: 'SELECT task_id AS "taskId" FROM mcp_tasks.tasks' });
  const seen = responses.filter(({ rows }) => rows?.some((row) => row.taskId === taskId));
  expect(seen.map(({ command, rowCount, rows }) => ({ command, rowCount, rows: rows.length }))).toEqual([
    { command: "INSERT", rowCount: 1, rows: 1 },
    { command: "SELECT", rowCount: 1, rows: 1 },
    { command: "SELECT", rowCount: 1, rows: 1 },
  ]);
  for (const { fields } of seen) expect(fields.map(({ name }) => name)).toContain("taskId");
});

test("each statement of the store has a span with its name and text, also if it fails", async () => {
  const { pool, store } = await traced();
  await store.createTask({ taskId: "traced" }, 1, { method: "m" });
  await pool.query("ALTER TABLE mcp_tasks.tasks ADD CONSTRAINT traced CHECK (status <> 'failed')");
  exporter.reset();
  await store.getTask("traced");
  await expect(store.storeTaskResult("traced", "failed", {})).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  const spans = exporter.getFinishedSpans().filter(({ name }) => name.startsWith("pg.query"));
  const text = ({ attributes }: ReadableSpan) => String(attributes["db.query.text"] ?? attributes["db.statement"]);
  const updates = spans.filter((span) => text(span).startsWith("UPDATE"));
  expect(spans.some((span) => text(span).startsWith("SELECT"))).toBe(true);
  expect(updates).toHaveLength(1);
  expect(updates[0]?.status.code).toBe(2);
});
