import { randomUUID } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { Client } from "pg";
import { afterAll, beforeAll, inject } from "vitest";
// Declares the values of `inject`, also for tests of packages.
import type {} from "./global-setup.ts";
import type { SharedServer, SharedServerRequest } from "./shared.ts";

/** The first file to need an image waits until it is downloaded. */
const startTimeout = 300_000;

/** A server that all test files of the run share. */
export async function sharedServer(request: SharedServerRequest): Promise<SharedServer> {
  const response = await fetch(inject("databases"), { method: "POST", body: JSON.stringify(request) });
  const answer = await response.text();
  if (!response.ok) throw new Error(answer);
  return JSON.parse(answer);
}

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new database on a server. */
export async function createDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await query(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = name;
  return { url: String(url), drop: () => query(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function query(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export interface TestKeys {
  readonly url: string;
  /** The prefix of every key of the test, and of no other test's. */
  readonly prefix: string;
  drop(): Promise<void>;
}

/** A key prefix on a Redis server or cluster. */
export function createKeys(url: string, kind: "Redis" | "Redis Cluster" = "Redis"): TestKeys {
  const prefix = `test:${randomUUID()}:`;
  return { url, prefix, drop: () => (kind === "Redis" ? dropFromOne(url, prefix) : dropFromCluster(url, prefix)) };
}

async function dropFromOne(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  try {
    await dropKeys(redis, prefix);
  } finally {
    redis.disconnect();
  }
}

async function dropFromCluster(url: string, prefix: string): Promise<void> {
  const cluster = new Cluster([url]);
  try {
    await cluster.ping();
    await Promise.all(cluster.nodes("master").map((node) => dropKeys(node, prefix)));
  } finally {
    cluster.disconnect();
  }
}

async function dropKeys(node: Redis, prefix: string): Promise<void> {
  for await (const keys of node.scanStream({ match: `${prefix}*`, count: 1000 })) {
    // One by one, because keys in a cluster have different slots.
    await Promise.all(keys.map((key: string) => node.unlink(key)));
  }
}

/**
 * For the top of a test file: its own database on the shared server. `url` is set once tests run.
 */
export function useDatabase(options: { readonly version?: number } = {}): { readonly url: string } {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    database = await createDatabase((await sharedServer({ product: "PostgreSQL", ...options })).url);
  }, startTimeout);
  afterAll(() => database?.drop());
  return {
    get url() {
      return started(database).url;
    },
  };
}

/** For the top of a test file: its own keys on the shared server. They are set once tests run. */
export function useKeys(kind: "Redis" | "Redis Cluster" = "Redis"): Omit<TestKeys, "drop"> {
  let keys: TestKeys | undefined;
  beforeAll(async () => {
    keys = createKeys((await sharedServer({ product: kind })).url, kind);
  }, startTimeout);
  afterAll(() => keys?.drop());
  return {
    get url() {
      return started(keys).url;
    },
    get prefix() {
      return started(keys).prefix;
    },
  };
}

function started<Fixture>(fixture: Fixture | undefined): Fixture {
  if (fixture === undefined) throw new Error("only tests and hooks may use this, not the file around them");
  return fixture;
}
