import type { Harness } from "@mcp-task-store/core/conformance";

/** A kind of store. The example is the backend with no more than a backend needs. */
export type Place = "memory" | "example" | "sqlite" | "postgres" | "redis";

/**
 * How long an event may take that has to come soon. Over a mutant whose event never comes, a case
 * waits as long.
 */
const PATIENCE_MS: Readonly<Record<Place, number>> = {
  memory: 2000,
  example: 3000,
  sqlite: 4000,
  postgres: 8000,
  redis: 8000,
};
/** A mutant may block its process. */
const BLOCKED_MS = 6000;

/** The harness of the backend's own tests. A server is at the URL. */
export async function harnessOf(place: Place, url: string, patience = 1): Promise<Harness> {
  const harness = await ownHarness(place, url);
  return { ...harness, patienceMs: patience * PATIENCE_MS[place], blockedMs: patience * BLOCKED_MS };
}

async function ownHarness(place: Place, url: string): Promise<Harness> {
  switch (place) {
    case "memory":
      return (await import("../../packages/memory/test/support/harness.ts")).memoryHarness;
    case "example":
      return (await import("../../packages/core/test/mutants/harness.ts")).makeHarness();
    case "sqlite":
      return (await import("../../packages/sqlite/test/support/harness.ts")).harnessOf("better-sqlite3");
    case "postgres":
      return (await import("../../packages/postgres/test/support/harness.ts")).postgresHarness("PostgreSQL", { url });
    case "redis":
      return (await import("../../packages/redis/test/support/harness.ts")).harness("Redis", "url", url);
  }
}
