import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { aborted } from "../fixtures/events.ts";
import { Gate, type Instance, instance, text } from "./support/instance.ts";
import { type Json, type Peer, PLAIN } from "./support/rpc.ts";

let store: TaskStore;
let server: Instance;
let peer: Peer;
let stuck: Gate;
let told: Promise<unknown>[];

beforeEach(() => {
  store = new MemoryTaskStore({ sweepIntervalMs: false });
  stuck = new Gate();
  told = [];
  const outputSchema = z.object({ sum: z.number() });
  server = instance(store, (tasks, mcp) => {
    tasks.registerTool(mcp, "returns", { _meta: {} }, () => ({ ...text("done"), _meta: { "example.com/x": 1 } }));
    tasks.registerTool(mcp, "empty", {}, () => ({ content: [] }));
    tasks.registerTool(mcp, "isError", {}, () => ({ ...text("No disk"), isError: true }));
    tasks.registerTool(mcp, "throws", {}, () => {
      throw new Error("No disk");
    });
    tasks.registerTool(mcp, "throws-text", {}, () => Promise.reject("No disk"));
    tasks.registerTool(mcp, "breaks", {}, async () => {
      throw new ProtocolError(-32050, "No luck", { dice: 1 });
    });
    tasks.registerTool(mcp, "structured", { outputSchema }, () => ({ ...text("2"), structuredContent: { sum: 2 } }));
    tasks.registerTool(mcp, "wrong", { outputSchema }, () => ({ ...text("2"), structuredContent: { sum: "2" } }));
    tasks.registerTool(mcp, "missing", { outputSchema }, () => text("2"));
    tasks.registerTool(mcp, "excused", { outputSchema }, () => ({ ...text("No disk"), isError: true }));
    tasks.registerTool(mcp, "late", { timeoutMs: 1 }, async (_, { signal }) => {
      told.push(aborted(signal));
      await stuck.pass();
      return text("Too late");
    });
  });
  peer = server.peer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await store.close();
});

/** The task's end in both generations, and the answer of the same call without a task. */
async function ends(name: string): Promise<{ modern: Json; old: Json; inline: Json; oldResult: Json }> {
  const [{ taskId }, made] = await Promise.all([peer.start(name), peer.startOld(name)]);
  await Promise.all([taskId, made.taskId].map((id) => store.waitForTask(id, { owner: ANY_OWNER })));
  const { result, error } = await peer.ask("tools/call", { name, arguments: {} }, PLAIN);
  const { _meta: _, ...inlineResult } = result ?? {};
  const meta = (result?.["_meta"] ?? {}) as Json;
  delete meta["io.modelcontextprotocol/serverInfo"];
  const inline = result ? { ...inlineResult, ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}) } : { error };
  const oldAnswer = await peer.askOld("tasks/result", { taskId: made.taskId });
  return {
    modern: await peer.task(taskId),
    old: (await peer.askOld("tasks/get", { taskId: made.taskId })).result as Json,
    inline,
    oldResult: oldAnswer.result ?? { error: oldAnswer.error },
  };
}

test.each([
  ["returns", "completed", text("done")],
  ["empty", "completed", { content: [] }],
  ["isError", "failed", { ...text("No disk"), isError: true }],
  ["throws", "failed", { ...text("No disk"), isError: true }],
  ["throws-text", "failed", { ...text("No disk"), isError: true }],
  ["structured", "completed", { structuredContent: { sum: 2 } }],
  ["wrong", "failed", { isError: true }],
  ["missing", "failed", { isError: true }],
  ["excused", "failed", { ...text("No disk"), isError: true }],
] as const)("%s: the task completes with the result of a direct call", async (name, oldStatus, expected) => {
  const { modern, old, inline, oldResult } = await ends(name);
  expect(modern).toMatchObject({ status: "completed", result: { resultType: "complete", ...expected } });
  expect(modern["result"]).toEqual(inline);
  expect(modern).not.toHaveProperty("error");
  // Under 2025-11-25 an error of the tool fails the task, which keeps that result.
  expect(old).toMatchObject({ status: oldStatus });
  const { resultType: _, _meta, ...rest } = inline;
  expect(oldResult).toMatchObject(rest);
  expect(oldResult).not.toHaveProperty("resultType");
  expect(oldResult["_meta"]).toMatchObject({ "io.modelcontextprotocol/related-task": { taskId: old["taskId"] } });
});

test("a JSON-RPC error fails the task, with that error", async () => {
  const { modern, old, inline, oldResult } = await ends("breaks");
  const error = { code: -32050, message: "No luck", data: { dice: 1 } };
  expect(modern).toMatchObject({ status: "failed", error });
  expect(modern).not.toHaveProperty("result");
  expect(inline).toEqual({ error });
  expect(old).toMatchObject({ status: "failed" });
  expect(oldResult).toEqual({ error });
});

test("work beyond its deadline fails, even if it ignores its signal", async () => {
  const { taskId } = await peer.start("late");
  await store.waitForTask(taskId, { owner: ANY_OWNER });
  expect(await peer.task(taskId)).toMatchObject({ status: "failed", error: { code: -32603 } });
  expect(await told[0]).toMatchObject({ name: "TimeoutError" });
  stuck.open();
});
