import { statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { asUsageError, UsageError } from "../command.ts";
import { repositoryRoot } from "../packages.ts";
import { STORE_NAMES, storeNamed } from "./stores.ts";

export const PROTOCOLS = ["2026-07-28", "2025-11-25"] as const;

/** The protocol version under which the client speaks. */
export type Protocol = (typeof PROTOCOLS)[number];

export interface DemoOptions {
  dir: string;
  store: string;
  protocol: Protocol;
  /** The least time that the work should take, in ms. */
  paceMs: number;
  /** Duration of a server's lease on a task without a renewal, in ms. */
  leaseMs: number;
}

const MAX_PACE_S = 15;
const MAX_LEASE_S = 60;

export const HELP = `Kills an MCP server half-way through a task, and lets another one finish it.

  npx pnpm@12 demo [options]

  --dir <directory>  hash the files under this directory (default: this repository)
  --store <store>    where tasks are kept: ${STORE_NAMES.join(", ")} (default: sqlite)
  --protocol <date>  the version that the client speaks: ${PROTOCOLS.join(" or ")} (default: ${PROTOCOLS[0]})
  --pace <seconds>   pause between files, so that the work takes at least so long, from 0 to ${MAX_PACE_S} (default: 6)
  --lease <seconds>  how long a killed server keeps its task, from 1 to ${MAX_LEASE_S} (default: 2)
  --help             show this

With postgres and redis, the second server runs beside the first, and the client moves between them. The database is the
one of TEST_POSTGRES_URL or TEST_REDIS_URL; if there is none, a container, if a Docker engine answers; else a process of
the server binaries on this machine. Nothing of the demo is left in it afterwards.

The exit code is 0 if everything was as it should be, 1 if anything was wrong, 2 for a wrong option.
`;

/** @returns "help" for the option `--help` */
export function parseOptions(args: string[]): DemoOptions | "help" {
  const { help, ...given } = parse(args);
  if (help) return "help";
  const { dir = repositoryRoot, store = "sqlite", pace = "6", lease = "2", protocol = PROTOCOLS[0] } = given;
  const paceMs = msOf("--pace", pace, 0, MAX_PACE_S);
  const leaseMs = msOf("--lease", lease, 1, MAX_LEASE_S);
  asUsageError(() => storeNamed(store));
  if (!isProtocol(protocol)) throw new UsageError(`--protocol takes ${PROTOCOLS.join(" or ")}, not "${protocol}"`);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--dir: "${dir}" is not a directory`);
  return { dir: resolve(dir), store, protocol, paceMs, leaseMs };
}

function msOf(option: string, text: string, min: number, max: number): number {
  const seconds = Number(text);
  if (text.trim() === "" || !(seconds >= min && seconds <= max))
    throw new UsageError(`${option} takes a number of seconds from ${min} to ${max}, not "${text}"`);
  return 1000 * seconds;
}

function isProtocol(value: string): value is Protocol {
  return PROTOCOLS.some((protocol) => protocol === value);
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const options = {
    dir: text,
    store: text,
    protocol: text,
    pace: text,
    lease: text,
    help: { type: "boolean" },
  } as const;
  return asUsageError(() => parseArgs({ args, options }).values);
}
