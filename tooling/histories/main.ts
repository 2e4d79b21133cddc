/** `npx pnpm@12 histories`. A run is in `run.ts`, the check in `checker.ts`. */
import { join } from "node:path";
import { runCommand } from "../command.ts";
import { HELP, type HistoriesOptions, parseOptions } from "./options.ts";
import { isPaired, startPair } from "./pairs.ts";
import { summaryOf, tableOf } from "./print.ts";
import { run } from "./run.ts";

async function runAll(options: HistoriesOptions, interrupted: AbortSignal): Promise<void> {
  let failed = false;
  for (const store of options.stores) {
    const { seed, operations, nemesis, failovers, plant, keep } = options;
    const outcome = await run({
      store,
      seed,
      operations,
      nemesis,
      ...(failovers && isPaired(store) ? { start: () => startPair(store) } : {}),
      ...(plant === undefined ? {} : { plant }),
      ...(keep === undefined ? {} : { keep: join(keep, store) }),
      interrupted,
    });
    console.log(summaryOf(outcome, seed));
    for (const violation of outcome.violations.slice(0, 3)) console.log(tableOf(violation));
    for (const register of outcome.undecided) console.log(`  ${register}: the search gave up`);
    failed ||= outcome.violations.length > 0 || outcome.undecided.length > 0;
  }
  if (failed) throw new Error("Some histories have no order, or it was not found");
}

await runCommand({
  name: "histories",
  help: HELP,
  parse: parseOptions,
  run: runAll,
  failed: (error) => console.error(error instanceof Error ? error.message : error),
});
