/** `npx pnpm@12 bench`. The scenarios are in `scenarios/`, the measurement in `measure.ts`. */
import { runCommand } from "../command.ts";
import { runBench } from "./bench.ts";
import { HELP, parseOptions } from "./options.ts";

await runCommand({ name: "bench", help: HELP, parse: parseOptions, run: runBench, failed: console.error });
