import { defineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count } from "../output/text.ts";
import { scanOf, statsJson, statsLines } from "../stats.ts";

const DEFAULT_SCAN = 100_000;

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: {
    scan: { type: "string", value: "N", help: `most tasks to look at, the newest first (${DEFAULT_SCAN})` },
  },
  details:
    "Active tasks are counted first. Counts of ended tasks are of the newest ones if there are more than were looked at.",
  async run({ values, output, open }) {
    const scan = scanOf(values.scan, DEFAULT_SCAN);
    const { store } = await open();
    const stats = await store.operations.stats({ scan });
    if (output.json) output.document(statsJson(stats));
    else for (const line of statsLines(output, stats)) output.line(line);
    if (!output.json && !stats.complete)
      output.note(`these are the newest ${count(stats.scanned, "task")}: --scan looks at more`);
    return EXIT.ok;
  },
});
