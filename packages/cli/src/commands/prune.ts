import type { BulkOutcome, TaskStore } from "@mcp-task-store/core";
import { bulk, DRY_RUN, outcomeText, YES } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { FILTER_HELP, filterOf, WHERE } from "../filter.ts";
import type { Output } from "../output/output.ts";
import { count, parseDuration } from "../output/text.ts";

const STEP = 1000;
const ACT = { verb: "Delete", done: "deleted" };

export default defineCommand({
  usage: "[--older-than DURATION [--where FILTER]]",
  arity: [0, 0],
  writes: true,
  options: {
    "older-than": { type: "string", value: "DURATION", help: "also delete tasks that ended so long ago, such as 30d" },
    ...WHERE,
    ...DRY_RUN,
    ...YES,
  },
  details: `Servers delete what has expired by themselves, a minute later at most. A dry run does not count what has expired.\n\n${FILTER_HELP}`,
  async run(context) {
    const { values, output, signal, open } = context;
    const { where = [], "older-than": age } = values;
    if (age !== undefined && parseDuration(age) === undefined)
      throw new UsageError("--older-than takes a duration such as 12h or 30d");
    if (age === undefined && where.length > 0) throw new UsageError("--where takes --older-than beside it");
    const dryRun = values["dry-run"] ?? false;
    let outcome: BulkOutcome | undefined = { done: 0, skipped: {}, scanned: 0 };
    if (age !== undefined) {
      const filter = filterOf([...where, `ended<${age}`]);
      outcome = await bulk(context, ACT, (store, options) => store.operations.removeTasks(filter, options));
      if (outcome === undefined) return EXIT.failed;
    }
    const expired = dryRun ? null : await deleteExpired((await open()).store, output, signal);
    if (output.json) output.document({ dryRun, ...outcome, expired });
    else {
      if (age !== undefined) output.line(outcomeText(ACT, outcome, dryRun));
      if (expired !== null) output.line(`deleted ${count(expired, "expired record")}`);
    }
    return EXIT.ok;
  },
});

async function deleteExpired(store: TaskStore, output: Output, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  for (;;) {
    signal.throwIfAborted();
    const step = await store.deleteExpired({ limit: STEP });
    deleted += step;
    output.progress(`deleted ${deleted} expired`);
    if (step < STEP) return deleted;
  }
}
