import { ACT_HELP, ACT_OPTIONS, ACT_USAGE, runAct } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../exit.ts";
import { jsonOf } from "../input.ts";
import { eachTask } from "../tasks.ts";

export default defineCommand({
  usage: ACT_USAGE,
  arity: [0, Number.POSITIVE_INFINITY],
  writes: true,
  options: {
    ...ACT_OPTIONS,
    arguments: {
      type: "string",
      value: "JSON",
      help: "arguments in place of the first task's; - reads them from stdin",
    },
  },
  details: `Each new task has the request, owner and ttl of the first one. Both name each other in show.\n\n${ACT_HELP}`,
  async run(context) {
    const { values, arguments: ids } = context;
    if (values.arguments !== undefined && ids.length !== 1) throw new UsageError("--arguments is for one id");
    const given = values.arguments === undefined ? undefined : await jsonOf("--arguments", values.arguments);
    const options = { arguments: given as Record<string, unknown> | undefined };
    return runAct(context, {
      verb: "Run again",
      done: "ran again",
      async one(store, taskId) {
        return { newTaskId: (await store.operations.rerunTask(taskId, options)).taskId };
      },
      many: (store, where, bulk) =>
        eachTask(store, where, { ...bulk, of: "ended" }, (taskId) => store.operations.rerunTask(taskId)),
    });
  },
});
