import { DRY_RUN } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { count } from "../output/text.ts";

export default defineCommand({
  usage: "<notifier> <event>... | <notifier> --all",
  arity: [1, Number.POSITIVE_INFINITY],
  writes: true,
  options: {
    all: { type: "boolean", short: "a", help: "all events of the notifier that are set aside" },
    ...DRY_RUN,
  },
  details: "Delivers events again that were set aside after too many failures. notifiers <notifier> lists them.",
  async run({ values, arguments: [notifier = "", ...ids], output, open }) {
    if (values.all ? ids.length > 0 : ids.length === 0) throw new UsageError("give either ids of events, or --all");
    const { operations } = (await open()).store;
    const dryRun = values["dry-run"] ?? false;
    const { setAside = 0 } = (await operations.notifiers()).find(({ name }) => name === notifier) ?? {};
    const which = values.all ? ({ notifier, all: true } as const) : { notifier, ids };
    const done = dryRun ? (values.all ? setAside : ids.length) : await operations.redeliverEvents(which);
    if (output.json) output.document({ dryRun, notifier, done });
    else output.line(`${dryRun ? "would deliver" : "delivers"} ${count(done, "event")} again`);
    return values.all || done === ids.length ? EXIT.ok : EXIT.failed;
  },
});
