import { type CopyOutcome, copyTasks } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { failureText } from "../failures.ts";
import { FILTER_HELP, filterOf, WHERE } from "../filter.ts";
import { count } from "../output/text.ts";
import { secretsOf } from "../stores/address.ts";
import { openStore } from "../stores/open.ts";
import { storeSettings } from "../stores/settings.ts";

export default defineCommand({
  usage: "--to <store>",
  arity: [0, 0],
  // A move ends tasks in the first store.
  writes: true,
  options: {
    ...WHERE,
    to: { type: "string", value: "STORE", help: "the store that gets the tasks, of any kind" },
    "to-schema": { type: "string", value: "NAME", help: "its schema, on PostgreSQL" },
    "to-table-prefix": { type: "string", value: "PREFIX", help: "its prefix of tables, on SQLite" },
    "to-key-prefix": { type: "string", value: "PREFIX", help: "its prefix of keys, on Redis" },
    "to-codec": { type: "string", value: "FILE", help: "its codec, or none; else that of the configuration" },
    move: { type: "boolean", help: "move active tasks: their runners lose them, and workers of the other store go on" },
    follow: { type: "boolean", short: "f", help: "go on with each new task, until interrupted" },
  },
  details: `Both stores may be in use. A task whose id exists in the other store stays as it is, so a copy that was interrupted may be begun again. Active tasks stay where they are, unless --move is given.\n\n${FILTER_HELP}`,
  async run({ values, output, signal, open, settings: from }) {
    const where = filterOf(values.where);
    if (values.to === undefined) throw new UsageError("copy needs the store that gets the tasks: --to STORE");
    const target = {
      store: values.to,
      schema: values["to-schema"],
      "table-prefix": values["to-table-prefix"],
      "key-prefix": values["to-key-prefix"],
      codec: values["to-codec"],
    };
    const settings = await storeSettings({ ...target, config: undefined, "read-only": undefined }, {});
    if (from.codec !== undefined && settings.codec === undefined && values["to-codec"] === undefined)
      throw new UsageError(
        "the other store would have the payloads as they are: give --to-codec FILE, or --to-codec none",
      );
    output.hide(secretsOf(settings.address));
    const to = await openStore(settings, (error) => output.warn(failureText(error)));
    try {
      const { store } = await open();
      const outcome = await copyTasks(store, to.store, {
        where,
        active: values.move ? "move" : "leave",
        follow: values.follow,
        signal,
        onProgress: (soFar) => output.progress(`${count(totalOf(soFar), "task")} so far`),
      });
      if (output.json) output.document(outcome);
      else {
        const { copied, existing, moved, left } = outcome;
        output.line(`${count(copied, "task")} copied, ${moved} moved, ${existing} existed already, ${left} left`);
      }
      return EXIT.ok;
    } finally {
      await to.close();
    }
  },
});

function totalOf({ copied, existing, moved, left }: CopyOutcome): number {
  return copied + existing + moved + left;
}
