/** The official suite, run against servers on each store. */

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, test } from "vitest";
import { runScenario, SCENARIOS, successOf } from "../conformance-server/suite.ts";
import { createDatabase, sharedServer } from "../databases/fixtures.ts";
import type { Place } from "../demo/place.ts";

declare module "vitest" {
  interface TaskMeta {
    /** For the counts at the end of the run. */
    officialConformance?: {
      /** Such as "one server, sqlite". */
      setting: string;
      checks: number;
      /** The suite itself skips the scenario. */
      skipped: boolean;
    };
  }
}

/** The stores that several processes can share. */
export const DURABLE = ["sqlite", "postgres", "redis"] as const;
type StoreName = (typeof DURABLE)[number] | "memory";

/** Time enough to download database images first. */
const START_MS = 300_000;
/** More than the suite's own limit for a scenario and those before it. */
const SCENARIO_MS = 600_000;

/**
 * Registers a test for each scenario on each store. It passes if all checks run and none fails.
 * @param setUp Starts servers on the place. Returns a function that gives each scenario its URL.
 * @param atOnce Number of scenarios that run at the same time.
 */
export function testScenarios(
  setting: string,
  stores: readonly StoreName[],
  setUp: (store: StoreName, place: Place, cleanUp: AsyncDisposableStack) => Promise<() => Promise<string>>,
  { atOnce = 5 } = {},
): void {
  describe.each(stores)(`${setting}, %s`, (store) => {
    const cleanUp = new AsyncDisposableStack();
    const inTurn = limit(atOnce);
    let newUrl: () => Promise<string>;
    beforeAll(async () => {
      const place = await placeFor(store, cleanUp);
      newUrl = await setUp(store, place, cleanUp);
    }, START_MS);
    afterAll(() => cleanUp.disposeAsync());

    test.concurrent.for(SCENARIOS)("$name", { timeout: SCENARIO_MS }, async (scenario, { task, expect }) => {
      const skipped = scenario.checks === 0;
      const { exitCode, output, passed } = await inTurn(async () => runScenario(await newUrl(), scenario));
      task.meta.officialConformance = { setting: `${setting}, ${store}`, checks: passed, skipped };
      expect(exitCode, output).toBe(0);
      expect(output).toContain(successOf(scenario));
      // An unexpected skip must not count as a pass.
      if (!skipped) expect(output).not.toContain("SKIPPED");
    });
  });
}

/** Limits how much work runs at the same time. */
function limit(atOnce: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

/** A place for tasks, deleted at clean-up. */
async function placeFor(store: StoreName, cleanUp: AsyncDisposableStack): Promise<Place> {
  switch (store) {
    case "memory":
      return { address: "", name: "" };
    case "sqlite": {
      const folder = await mkdtemp(join(tmpdir(), "official-conformance-"));
      cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
      return { address: join(folder, "tasks.db"), name: "" };
    }
    case "postgres": {
      const database = await createDatabase((await sharedServer({ product: "PostgreSQL" })).url);
      cleanUp.defer(() => database.drop());
      return { address: database.url, name: "conformance" };
    }
    case "redis": {
      const { url } = await sharedServer({ product: "Redis" });
      const prefix = `conformance:${randomUUID()}`;
      cleanUp.defer(() => dropKeys(url, `{${prefix}}*`));
      return { address: url, name: prefix };
    }
  }
}

async function dropKeys(url: string, match: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ match, count: 1000 })) {
      if (keys.length > 0) await redis.unlink(keys);
    }
  } finally {
    redis.disconnect();
  }
}
