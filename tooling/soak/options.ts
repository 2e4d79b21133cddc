import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { STORES, type StoreName } from "../bench/stores.ts";
import { asUsageError, UsageError } from "../command.ts";

export interface SoakOptions {
  readonly stores: readonly StoreName[];
  readonly minutes: number;
  /** Tasks per second on each store. `undefined`: all stores together are half of the load here. */
  readonly rate: number | undefined;
  /** How often a store is harmed, in seconds. */
  readonly faultSeconds: number;
  /** The page for the results. `undefined`: none is written. */
  readonly out: string | undefined;
}

export const HELP = `Runs servers on the stores for an hour, harms them, and looks for what they do not give back.

  npx pnpm@12 soak [options]

  --store <names>     ${STORES.join(", ")} (default: all, at the same time), with commas between them
  --minutes <number>  how long the load lasts (default: 60)
  --rate <number>     tasks per second on each store (default: half of the maximum, which is measured first, shared among the stores)
  --faults <seconds>  time between two faults (default: 20)
  --out <file>        where the page of results goes (default: none)
  --help              show this

Each store has a server process, which is watched, and a worker process. In turn, connections of clients are cut, the worker is
killed or stopped, the database restarted, killed or locked, connections to it are cut, and a second store is opened and closed in the
watched process. Once a minute the load pauses and the watched process counts what it holds, after a forced garbage collection.
Databases are servers of the soak's own: containers, or processes of this machine.

The exit code is 0 if nothing was lost and nothing grew, 1 otherwise, 2 for a wrong option.
`;

/** @returns "help" for the option `--help` */
export function parseOptions(args: string[]): SoakOptions | "help" {
  const { help, store, minutes = "60", rate, faults = "20", out } = parse(args);
  if (help) return "help";
  return {
    stores: store === undefined ? STORES : store.split(",").map(storeNamed),
    minutes: numberOf("--minutes", minutes, 0.01, 10_000),
    rate: rate === undefined ? undefined : numberOf("--rate", rate, 0.1, 10_000),
    faultSeconds: numberOf("--faults", faults, 0.1, 3600),
    out: out === undefined ? undefined : resolve(out),
  };
}

function storeNamed(text: string): StoreName {
  const store = STORES.find((name) => name === text.trim());
  if (!store) throw new UsageError(`--store: there is no "${text}", only ${STORES.join(", ")}`);
  return store;
}

function numberOf(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max))
    throw new UsageError(`${option} takes a number from ${min} to ${max}, not "${text}"`);
  return value;
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const options = {
    store: text,
    minutes: text,
    rate: text,
    faults: text,
    out: text,
    help: { type: "boolean" },
  } as const;
  return asUsageError(() => parseArgs({ args, options }).values);
}
