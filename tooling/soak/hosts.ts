/** The databases of the soak, and what is done to them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { Redis } from "ioredis";
import { Client } from "pg";
import type { StoreName } from "../bench/stores.ts";
import { describeServer, type OwnServer } from "../databases/index.ts";
import { backends } from "../faults/backends.ts";
import type { Place } from "./places.ts";

export interface Host {
  /** Product, version, and how the server was found or started. */
  readonly title: string;
  readonly watched: Place;
  readonly worker: Place;
  /** How many connections the database sees from the watched process. */
  connections?(): Promise<number>;
  readonly faults: Readonly<Record<string, () => Promise<void>>>;
}

export async function startHost(store: StoreName, cleanUp: AsyncDisposableStack): Promise<Host> {
  switch (store) {
    case "memory":
      return memoryHost();
    case "sqlite":
      return sqliteHost(cleanUp);
    case "postgres":
    case "redis":
      return serverHost(store, cleanUp);
  }
}

function memoryHost(): Host {
  const place = { store: "memory", address: "" } as const;
  return { title: "in the process", watched: place, worker: place, faults: {} };
}

async function sqliteHost(cleanUp: AsyncDisposableStack): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), "soak-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const address = join(folder, "tasks.db");
  const place = { store: "sqlite", address } as const;
  const database = new Database(address);
  cleanUp.defer(() => void database.close());
  return {
    title: `SQLite ${database.prepare("SELECT sqlite_version()").pluck().get()} within better-sqlite3`,
    watched: place,
    worker: place,
    faults: {
      "locks of the database": async () => {
        database.exec("BEGIN IMMEDIATE");
        await sleep(300);
        database.exec("COMMIT");
      },
    },
  };
}

/** The name of the watched process's connections. */
const NAME = "soak-watched";

async function serverHost(store: "postgres" | "redis", cleanUp: AsyncDisposableStack): Promise<Host> {
  const { start, named, connections } = backends[store];
  const server = await start();
  cleanUp.defer(() => server.stop());
  return {
    title: describeServer(store === "postgres" ? "PostgreSQL" : "Redis", server),
    watched: { store, address: named(server.url, NAME) },
    worker: { store, address: named(server.url, "soak-worker") },
    connections: () => connections(server.url, NAME),
    faults: {
      "cut connections to the database": () => cut[store](server),
      "restarts of the database": () => restart(server, "orderly"),
      "kills of the database": () => restart(server, "killed"),
    },
  };
}

async function restart({ control }: OwnServer, how: "orderly" | "killed"): Promise<void> {
  await control.halt(how);
  await control.start();
}

const cut = {
  postgres: async ({ url }: OwnServer) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    await client.end();
  },
  redis: async ({ url }: OwnServer) => {
    const redis = new Redis(url);
    try {
      for (const kind of ["NORMAL", "PUBSUB"] as const)
        await redis.call("CLIENT", "KILL", "TYPE", kind, "SKIPME", "YES");
    } finally {
      redis.disconnect();
    }
  },
};
