import { ANY_OWNER, isTerminal, type TaskFilter, type TaskStore } from "@mcp-task-store/core";
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

/** The store removes by filter alone, and no filter is the whole of an id. */
async function removeOne(store: TaskStore, taskId: string): Promise<{ readonly newTaskId?: string }> {
  const record = await store.getRecord(taskId, { owner: ANY_OWNER, fields: [] });
  if (!record) throw new Failure(`there is no task ${taskId}: it may have expired`);
  const { task, name } = record;
  if (!isTerminal(task.status)) throw new Failure(`task ${taskId} is active: cancel it first`);
  const after = new Date(task.createdAt);
  const where: TaskFilter = { idPrefix: taskId, name, created: { after, before: new Date(after.getTime() + 1) } };
  const { records } = await store.operations.listRecords({ where, limit: 2 });
  if (records.length !== 1)
    throw new Failure(`there are other tasks of the same moment whose ids begin with ${taskId}: use --where`);
  const { done } = await store.operations.removeTasks(where);
  if (done !== 1) throw new Failure(`task ${taskId} is gone already`);
  return {};
}
