import { ACT_HELP, ACT_OPTIONS, ACT_USAGE, runAct } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { eachTask } from "../tasks.ts";

export default defineCommand({
  usage: ACT_USAGE,
  arity: [0, Number.POSITIVE_INFINITY],
  writes: true,
  options: ACT_OPTIONS,
  details: `For a runner that hangs: its lease ends, its writes are refused, and another runner may take the task at once.\n\n${ACT_HELP}`,
  run: (context) =>
    runAct(context, {
      verb: "Requeue",
      done: "requeued",
      async one(store, taskId) {
        await store.operations.requeueTask(taskId);
        return {};
      },
      many: (store, where, options) =>
        eachTask(store, where, { ...options, of: "active" }, (taskId) => store.operations.requeueTask(taskId)),
    }),
});
