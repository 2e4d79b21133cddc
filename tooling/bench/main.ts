/** `npx pnpm@12 bench`. What is measured is in `scenarios/`, how in `measure.ts`. */
import { constants } from "node:os";
import { runBench } from "./bench.ts";
import { HELP, parseOptions, UsageError } from "./options.ts";

process.exitCode = await main();

async function main(): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // More than once, since both the terminal and pnpm may send it. What runs is measured to its end, a few seconds.
    process.on(signal, () => interrupted.abort(signal));
  }
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === "help") console.log(HELP);
    else await runBench(options, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 128 + constants.signals[interrupted.signal.reason as NodeJS.Signals];
    if (error instanceof UsageError) {
      console.error(`bench: ${error.message}\nSee npx pnpm@12 bench --help`);
      return 2;
    }
    console.error(error);
    return 1;
  }
}
