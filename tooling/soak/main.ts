/** `npx pnpm@12 soak`. The lives of tasks are in `lives.ts`, the faults in `hosts.ts`. */
import { runCommand } from "../command.ts";
import { HELP, parseOptions } from "./options.ts";
import { runSoak } from "./soak.ts";

await runCommand({ name: "soak", help: HELP, parse: parseOptions, run: runSoak, failed: console.error });
