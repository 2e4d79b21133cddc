import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { SpanContext } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-node";
import { describe, expect, test } from "vitest";
import { stores } from "../../../tooling/test/fixtures/stores.ts";
import { tree } from "./support/telemetry.ts";

const program = fileURLToPath(new URL("support/process.ts", import.meta.url));

type Told = Pick<ReadableSpan, "name" | "startTime" | "parentSpanContext" | "links"> & { context: SpanContext };

async function inProcess<T>(address: unknown, role: "make" | "die" | "run"): Promise<T> {
  const running = promisify(execFile)(process.execPath, [program, JSON.stringify(address), role]);
  const { stdout } = await running.catch((error: { signal?: string; stdout: string }) => {
    if (role === "die" && error.signal === "SIGKILL") return error;
    throw error;
  });
  return JSON.parse(stdout);
}

describe.each(stores.filter(({ name }) => name !== "memory"))("on $name", ({ usePlaces }) => {
  const makePlace = usePlaces();

  test("one process makes the task and another runs it, and the trace is one tree", async () => {
    await using place = await makePlace();
    const made = await inProcess<Told[]>(place.address, "make");
    const ran = await inProcess<Told[]>(place.address, "run");
    const all = [...made, ...ran];
    expect(new Set(all.map(({ context }) => context.traceId)).size).toBe(1);
    expect(tree(all.map((each) => ({ ...each, spanContext: () => each.context })))).toEqual([
      ["tools/call grind", ["send grind", ["process grind", ["updateTask grind"], ["finishTask grind"]]]],
    ]);
    expect(ran.flatMap(({ links }) => links)).toEqual([]);
  });

  test("the run that takes over from a killed process has a link to the run there", async () => {
    await using place = await makePlace();
    const [, send] = await inProcess<Told[]>(place.address, "make");
    const lost = await inProcess<string>(place.address, "die");
    const ran = await inProcess<Told[]>(place.address, "run");
    const next = ran.find(({ name }) => name === "process grind");
    const { traceId } = send?.context ?? {};
    expect(next?.links).toMatchObject([{ context: { traceId, spanId: lost } }]);
    expect(next?.context.traceId).toBe(traceId);
  });
});
