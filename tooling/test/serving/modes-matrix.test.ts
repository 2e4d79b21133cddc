import { ANY_OWNER } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import type { TaskMode, TasksExtension } from "@mcp-task-store/server";
import type { McpServer } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import { instance, text } from "./support/instance.ts";
import { ABLE, type Json, MISSING_CAPABILITY, PLAIN } from "./support/rpc.ts";

// Every row of the table in the package's README, for every kind of tool and client.

const MODES = ["unset", "optional", "required", "never", "decides: required", "decides: never"] as const;

const CASES = MODES.flatMap((mode) =>
  (["server", "worker"] as const).flatMap((runs) =>
    (["here", "elsewhere"] as const)
      .filter((handler) => runs === "worker" || handler === "here")
      .flatMap((handler) =>
        (["2026-07-28", "2025-11-25"] as const).flatMap((generation) =>
          [true, false].map((able) => ({ mode, runs, handler, generation, able })),
        ),
      ),
  ),
);
type Case = (typeof CASES)[number];

/** The table's result: a task, an answer at once, or the error code. */
function expected({ mode, generation, able }: Case): "task" | "at once" | -32021 | -32601 {
  const plain = mode.replace("decides: ", "");
  if (plain === "never") return generation === "2025-11-25" && able ? -32601 : "at once";
  if (able) return "task";
  if (plain !== "required") return "at once";
  return generation === "2026-07-28" ? -32021 : -32601;
}

test.each(CASES)("$mode, runs: $runs, handler $handler, $generation, can have a task: $able", async (one) => {
  await using store = new MemoryTaskStore({ sweepIntervalMs: false });
  const decided = one.mode === "decides: never" ? "never" : "required";
  const task = one.mode === "unset" || one.mode.startsWith("decides") ? undefined : (one.mode as TaskMode);
  const config = { runs: one.runs, ...(one.mode.startsWith("decides") ? { task: () => decided } : { task }) } as const;
  const work = () => text("done");
  const register = (handler: boolean) => (tasks: TasksExtension, server: McpServer) => {
    if (handler) tasks.registerTool(server, "work", config, work);
    else tasks.registerTool(server, "work", { ...config, runs: "worker" });
  };
  await using serving = instance(store, register(one.handler === "here"));
  await using working = instance(store, register(true), { worker: false });
  working.newServer();
  if (one.runs === "worker") working.tasks.startWorker();

  const peer = serving.peer();
  const call = { name: "work", arguments: {} };
  const { result, error } =
    one.generation === "2026-07-28"
      ? await peer.ask("tools/call", call, one.able ? ABLE : PLAIN)
      : await peer.askOld("tools/call", one.able ? { ...call, task: {} } : call);
  const made = (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks;
  const wanted = expected(one);
  if (typeof wanted === "number") {
    expect(error).toMatchObject(wanted === -32021 ? MISSING_CAPABILITY : { code: wanted });
    expect(error?.message).toContain("Tool work");
    expect(error?.message).toContain("task");
    expect(made).toEqual([]);
  } else if (wanted === "at once") {
    expect(result).toMatchObject(text("done"));
    expect(made.map(({ status }) => status)).toEqual(one.runs === "worker" ? ["completed"] : []);
  } else {
    const taskId = String((one.generation === "2026-07-28" ? result : (result?.["task"] as Json))?.["taskId"]);
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toMatchObject(text("done"));
    expect(made.map(({ taskId }) => taskId)).toEqual([taskId]);
  }
  // Clients of 2025-11-25 rely on this.
  const { tools } = (await peer.askOld("tools/list", {})).result as { tools: { execution?: unknown }[] };
  const support = one.mode.startsWith("decides") || one.mode === "unset" ? "optional" : one.mode;
  expect(tools[0]?.execution).toEqual(support === "never" ? undefined : { taskSupport: support });
});
