import { ANY_OWNER } from "@mcp-task-store/core";
import { ACT_HELP, ACT_OPTIONS, ACT_USAGE, runAct } from "../acts.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  usage: ACT_USAGE,
  arity: [0, Number.POSITIVE_INFINITY],
  writes: true,
  options: {
    ...ACT_OPTIONS,
    message: { type: "string", short: "m", value: "TEXT", help: "the status message (The task was cancelled.)" },
  },
  details: ACT_HELP,
  run(context) {
    const statusMessage = context.values.message;
    return runAct(context, {
      verb: "Cancel",
      done: "cancelled",
      async one(store, taskId) {
        await store.cancelTask(taskId, { owner: ANY_OWNER, statusMessage });
        return {};
      },
      many: (store, where, options) => store.operations.cancelTasks(where, { ...options, statusMessage }),
    });
  },
});
