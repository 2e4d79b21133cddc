import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { asUsageError, UsageError } from "../command.ts";
import { repositoryRoot } from "../packages.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";
import { STORES, type StoreName } from "./stores.ts";

export interface BenchOptions {
  readonly stores: readonly StoreName[];
  readonly scenarios: readonly Scenario[];
  readonly settings: Settings;
  /** The folder for the results. `undefined`: they are not written. */
  readonly out: string | undefined;
}

const SETTINGS: Settings = { scale: "usual", rounds: 15, slotMs: 250, warmUpMs: 750 };
const QUICK: Settings = { scale: "quick", rounds: 2, slotMs: 5, warmUpMs: 0 };

const names = SCENARIOS.map(({ name }) => name).join(", ");

export const HELP = `Measures the stores side by side with the bare drivers, and with what people use instead.

  npx pnpm@12 bench [options]

  --store <names>     ${STORES.join(", ")} (default: all), with commas between them
  --scenario <names>  ${names} (default: all), likewise
  --rounds <number>   rounds of each comparison (default: ${SETTINGS.rounds})
  --full              lists, crowds and sweeps of 1,000,000 tasks and a table of 10,000,000, which take minutes to fill
  --quick             a look whether everything runs: the figures mean nothing, and are written only with --out
  --out <directory>   where <store>.json, .svg and .md go (default: tooling/bench/results)
  --help              show this

In a round each contestant runs for about ${SETTINGS.slotMs} ms, one right after the other, and the next round goes the other way round. A
ratio is taken within a round; the table has the median of them, the quartiles, the least and the greatest. A run replaces what the
results of a store hold of the same scenarios, and keeps the rest.
"By CPU time" is the quotient of the time on a processor that this process took for a task (above 1 we take less): it leaves out servers
and disks, and hardly depends on what else the machine does. The last two columns are the share of all processors' time that this process
took, and after a plus the server, if it is on this machine.

Databases are those of TEST_POSTGRES_URL and TEST_REDIS_URL, or containers, or processes of this machine. What is started for
the bench has durable settings; those in force are asked for, and are in the results.
`;

/** @returns "help" for the option `--help` */
export function parseOptions(args: string[]): BenchOptions | "help" {
  const { help, quick = false, full = false, rounds, store, scenario, out } = parse(args);
  if (help) return "help";
  const count = rounds === undefined ? undefined : Number(rounds);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= 1000))
    throw new UsageError(`--rounds takes a number from 1 to 1000, not "${rounds}"`);
  if (quick && full) throw new UsageError("--quick and --full exclude each other");
  const settings: Settings = quick ? QUICK : full ? { ...SETTINGS, scale: "full" } : SETTINGS;
  const folder = out === undefined ? join(repositoryRoot, "tooling/bench/results") : resolve(out);
  return {
    stores: chosen("--store", store, STORES, (name) => name),
    scenarios: chosen("--scenario", scenario, SCENARIOS, ({ name }) => name),
    settings: count === undefined ? settings : { ...settings, rounds: count },
    out: quick && out === undefined ? undefined : folder,
  };
}

function chosen<T>(option: string, given: string | undefined, all: readonly T[], nameOf: (item: T) => string): T[] {
  if (given === undefined) return [...all];
  const wanted = given.split(",").map((name) => name.trim());
  const unknown = wanted.find((name) => !all.some((item) => nameOf(item) === name));
  if (unknown !== undefined)
    throw new UsageError(`${option}: there is no "${unknown}", only ${all.map(nameOf).join(", ")}`);
  return all.filter((item) => wanted.includes(nameOf(item)));
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = { store: text, scenario: text, rounds: text, out: text, quick: flag, full: flag, help: flag };
  return asUsageError(() => parseArgs({ args, options }).values);
}
