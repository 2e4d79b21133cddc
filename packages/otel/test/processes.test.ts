import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SpanContext } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { expect, onTestFinished, test } from "vitest";
import { tree } from "./support/telemetry.ts";

const program = fileURLToPath(new URL("support/process.ts", import.meta.url));

type Told = Pick<ReadableSpan, "name" | "startTime" | "parentSpanContext"> & { context: SpanContext };

async function spansOf(path: string, role: "make" | "run"): Promise<Told[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, path, role]);
  return JSON.parse(stdout);
}

test("one process makes the task and another runs it, and the trace is one tree", async () => {
  const folder = await mkdtemp(join(tmpdir(), "otel-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "tasks.db");
  const made = await spansOf(path, "make");
  const ran = await spansOf(path, "run");
  const all = [...made, ...ran];
  expect(new Set(all.map(({ context }) => context.traceId)).size).toBe(1);
  expect(tree(all.map((each) => ({ ...each, spanContext: () => each.context })))).toEqual([
    ["tools/call grind", ["send grind", ["process grind", ["updateTask grind"], ["finishTask grind"]]]],
  ]);
});
