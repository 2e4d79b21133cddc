import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Instance, instance, text } from "./support/instance.ts";
import { type Peer, PLAIN } from "./support/rpc.ts";

/** Longer than any stall of a machine. */
const NEVER = 2 ** 31 - 1;

let store: TaskStore;
let server: Instance;
let peer: Peer;

beforeEach(() => {
  store = new MemoryTaskStore({ sweepIntervalMs: false });
  server = instance(store, (tasks, mcp) => {
    for (const [name, config] of [["plain", {}] as const, ["quick", { answerWithinMs: NEVER }] as const]) {
      tasks.registerTool(mcp, `${name}-returns`, config, () => ({
        ...text("done"),
        structuredContent: { found: [{}, new Map([["a", 1]])] },
      }));
      tasks.registerTool(mcp, `${name}-returns-date`, config, () => ({
        ...text("done"),
        structuredContent: { at: new Date(0) },
      }));
      tasks.registerTool(mcp, `${name}-saves`, config, async (_, task) => {
        await task.progress("half-way", { seen: new Set([1]) });
        return text("done");
      });
      tasks.registerTool(mcp, `${name}-prepares`, { ...config, prepare: () => ({ when: new Map() }) }, () =>
        text("done"),
      );
    }
  });
  peer = server.peer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await store.close();
});

/** The end of a call: as a task of either generation, and for a client without tasks. */
async function ends(name: string): Promise<unknown[]> {
  const direct = await peer.ask("tools/call", { name, arguments: {} }, PLAIN);
  const modern = await peer.ask("tools/call", { name, arguments: {} });
  const old = await peer.askOld("tools/call", { name, arguments: {}, task: {} });
  const made = old.result?.["task"] as { taskId: string } | undefined;
  const taskIds = [modern.result?.["taskId"], made?.taskId].filter((id) => typeof id === "string");
  await Promise.all(taskIds.map((id) => store.waitForTask(id, { owner: ANY_OWNER })));
  const [task] = await Promise.all(taskIds.slice(0, 1).map((id) => peer.task(id)));
  const oldEnd = made ? await peer.askOld("tasks/result", made) : old;
  return [direct, task ?? modern, oldEnd].map((end) => {
    const { result, error } = end as { result?: unknown; error?: unknown };
    return error ?? result;
  });
}

test.each(["plain", "quick"])("a result that is not JSON fails with an error that says where (%s)", async (kind) => {
  const message = "The result is not JSON: it holds a Map at result.structuredContent.*[1]";
  for (const end of await ends(`${kind}-returns`)) expect(end).toMatchObject({ code: -32603, message });
});

test.each(["plain", "quick"])("a date in a result arrives as text (%s)", async (kind) => {
  for (const end of await ends(`${kind}-returns-date`))
    expect(end).toMatchObject({ structuredContent: { at: "1970-01-01T00:00:00.000Z" } });
});

test.each(["plain", "quick"])("a checkpoint that is not JSON throws in the progress call (%s)", async (kind) => {
  for (const end of await ends(`${kind}-saves`))
    expect(JSON.stringify(end)).toContain("The checkpoint is not JSON: it holds a Set at *");
});

test.each(["plain", "quick"])("a context that is not JSON makes no task (%s)", async (kind) => {
  const message = "The context is not JSON: it holds a Map at context.*";
  for (const end of await ends(`${kind}-prepares`)) expect(end).toMatchObject({ code: -32603, message });
  expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toEqual([]);
});
