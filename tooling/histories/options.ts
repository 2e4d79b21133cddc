import { parseArgs } from "node:util";
import { asUsageError, UsageError } from "../command.ts";
import { PAIRED } from "./pairs.ts";
import { STORES, type StoreName } from "./places.ts";
import { PLANT_NAMES, type PlantName } from "./plants.ts";

export interface HistoriesOptions {
  readonly stores: readonly StoreName[];
  readonly seed: number;
  readonly operations: number;
  readonly nemesis: boolean;
  readonly failovers: boolean;
  readonly plant: PlantName | undefined;
  readonly keep: string | undefined;
}

const OPERATIONS = 200_000;

export const HELP = `Checks that what processes see of tasks has one order, while servers, connections, clients and clocks fail.

  npx pnpm@12 histories [options]

  --store <names>        ${STORES.join(", ")} (default: all), with commas between them
  --operations <number>  calls on each store (default: ${OPERATIONS})
  --seed <number>        repeats the choices of a run (default: a random one, which the output has)
  --calm                 without faults
  --failovers            each server has a standby that takes over, many times (${PAIRED.join(", ")})
  --plant <name>         gives the store a fault, which has to be found: ${PLANT_NAMES.join(", ")}
  --keep <directory>     keeps what each process called and saw, a file each, in <directory>/<store>
  --help                 show this

Each store has a database of its own for the run: a container, or a process of this machine. With --failovers, the
servers are processes of this machine. PostgreSQL's primary is killed, and its synchronous standby promoted. Redis'
primary hands over by FAILOVER, since a killed one may lose what it has acknowledged.
`;

/** @returns "help" for the option `--help` */
export function parseOptions(args: string[]): HistoriesOptions | "help" {
  const options = {
    store: { type: "string" },
    operations: { type: "string" },
    seed: { type: "string" },
    calm: { type: "boolean" },
    failovers: { type: "boolean" },
    plant: { type: "string" },
    keep: { type: "string" },
    help: { type: "boolean" },
  } as const;
  const { values } = asUsageError(() => parseArgs({ args, options }));
  if (values.help) return "help";
  const failovers = values.failovers ?? false;
  const names = failovers ? PAIRED : STORES;
  const stores = values.store?.split(",").map((name) => oneOf("--store", names, name)) ?? names;
  return {
    stores,
    seed: whole("--seed", values.seed, Math.floor(Math.random() * 2 ** 31)),
    operations: whole("--operations", values.operations, OPERATIONS),
    nemesis: !values.calm,
    failovers,
    plant: values.plant === undefined ? undefined : oneOf("--plant", PLANT_NAMES, values.plant),
    keep: values.keep,
  };
}

function oneOf<Name extends string>(option: string, names: readonly Name[], name: string): Name {
  const found = names.find((each) => each === name);
  if (found === undefined) throw new UsageError(`${option} takes ${names.join(", ")}, not "${name}"`);
  return found;
}

function whole(option: string, text: string | undefined, otherwise: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new UsageError(`${option} takes a number, not "${text}"`);
  return number;
}
