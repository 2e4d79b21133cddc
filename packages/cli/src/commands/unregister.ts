import { DRY_RUN, YES } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count } from "../output/text.ts";
import { confirmed } from "../prompt.ts";

export default defineCommand({
  usage: "<notifier>",
  arity: [1, 1],
  writes: true,
  options: { ...DRY_RUN, ...YES },
  details: "For a notifier whose processes are gone for good: its events would gather without end.",
  async run({ values, arguments: [name = ""], output, signal, open }) {
    const { operations } = (await open()).store;
    const dryRun = values["dry-run"] ?? false;
    const found = (await operations.notifiers()).find((each) => each.name === name);
    const events = found ? found.waiting + found.setAside : 0;
    if (!found) {
      output.error(`the store has no notifier ${name}`);
      return EXIT.failed;
    }
    const asks = !dryRun && !values.yes;
    if (asks && !(await confirmed(`Remove ${name} and ${count(events, "event")}?`, signal))) {
      output.note("nothing was done");
      return EXIT.failed;
    }
    if (!dryRun) await operations.removeNotifier(name);
    if (output.json) output.document({ dryRun, notifier: name, events });
    else output.line(`${dryRun ? "would have " : ""}removed ${name} and ${count(events, "event")}`);
    return EXIT.ok;
  },
});
