// The durable stores: how a run starts their database, and how a process opens them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { type ServerControl, startOwnPostgres, startOwnRedis } from "../databases/index.ts";
import type { Jumps } from "./moved-clock.ts";

export const STORES = ["sqlite", "postgres", "redis"] as const;
export type StoreName = (typeof STORES)[number];

/** The database of a run. */
export interface Place {
  /** Where processes find it: a URL, or the path of a file. */
  readonly address: string;
  readonly description: string;
  /** The server that answers, which the run may harm. A file has none. */
  readonly control?: ServerControl | undefined;
  /** The server that would take over, if it may be harmed as well. */
  readonly standby?: ServerControl | undefined;
  /** Makes another server the one that answers. `lead` leads all processes to its address. */
  failOver?(lead: (address: string) => void): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a database that loses no acknowledged write, for one run alone. */
export async function startPlace(name: StoreName): Promise<Place> {
  if (name === "sqlite") {
    const folder = await mkdtemp(join(tmpdir(), "mcp-task-store-histories-"));
    const stop = () => rm(folder, { recursive: true, force: true });
    return { address: join(folder, "tasks.db"), description: "SQLite", stop };
  }
  const server =
    name === "postgres"
      ? await startOwnPostgres({ durability: "production" })
      : await startOwnRedis({ args: ["--appendfsync", "always"] });
  const product = name === "postgres" ? "PostgreSQL" : "Redis";
  const { url: address, version, control } = server;
  return { address, description: `${product} ${version}`, control, stop: () => server.stop() };
}

/** Longest time of an attempt to reach the server, or of a statement. */
export const PATIENCE_MS = 1000;

/** Opens a store. It loads only this one. */
export async function openStore(name: StoreName, address: string, options: TaskStoreOptions): Promise<TaskStore> {
  const all = { isolation: "strict", pageSize: 50, fallbackPollMs: 200, sweepIntervalMs: false, ...options } as const;
  switch (name) {
    case "sqlite": {
      const { SqliteTaskStore } = await import("@mcp-task-store/sqlite");
      return new SqliteTaskStore({ path: address, ...all });
    }
    case "postgres": {
      const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
      const patience = { connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS };
      return new PostgresTaskStore({ connectionString: address, maxConnections: 5, ...patience, ...all });
    }
    case "redis": {
      const { RedisTaskStore } = await import("@mcp-task-store/redis");
      return new RedisTaskStore({ url: address, commandTimeoutMs: PATIENCE_MS, ...all });
    }
  }
}

/**
 * How the clock of each process's host jumps. Processes that share an SQLite file share a host,
 * whose clock decides. The clock of a server decides elsewhere, so that each process may have a
 * host of its own, whose clock is an hour wrong.
 */
export function jumpsOf(name: StoreName, seed: number, process: number): Jumps {
  if (name === "sqlite") return { seed, offsets: [0, 0, 0, 300, -300, 5000] };
  return { seed: seed + process, offsets: [0, 3_600_000, -3_600_000, 250] };
}
