/** `npx pnpm@12 bench`. What is measured is in `scenarios/`, how in `measure.ts`. */
import { runCommand } from "../command.ts";
import { runBench } from "./bench.ts";
import { HELP, parseOptions } from "./options.ts";

await runCommand({ name: "bench", help: HELP, parse: parseOptions, run: runBench, failed: console.error });
