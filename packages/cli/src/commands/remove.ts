import type { TaskStore } from "@mcp-task-store/core";
import { ACT_HELP, ACT_OPTIONS, ACT_USAGE, runAct } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { Failure } from "../exit.ts";

export default defineCommand({
  usage: ACT_USAGE,
  arity: [0, Number.POSITIVE_INFINITY],
  writes: true,
  options: ACT_OPTIONS,
  details: `Active tasks are left as they are: cancel them first.\n\n${ACT_HELP}`,
  run: (context) =>
    runAct(context, {
      verb: "Delete",
      done: "deleted",
      one: removeOne,
      many: (store, where, options) => store.operations.removeTasks(where, options),
    }),
});

async function removeOne(store: TaskStore, taskId: string): Promise<{ readonly newTaskId?: string }> {
  const { done, skipped } = await store.operations.removeTasks({ id: taskId });
  if (skipped.active) throw new Failure(`task ${taskId} is active: cancel it first`);
  if (done === 0) throw new Failure(`task ${taskId} is gone already`);
  return {};
}
