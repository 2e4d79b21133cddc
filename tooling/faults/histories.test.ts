// Processes work on tasks while everything fails. What they saw has to have one order: see
// `tooling/histories`.
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { startPostgresPair } from "../databases/postgres-pair.ts";
import { WayUnavailable } from "../databases/server.ts";
import { PAIRED, startPair } from "../histories/pairs.ts";
import { type Place, STORES, type StoreName } from "../histories/places.ts";
import { summaryOf, tableOf } from "../histories/print.ts";
import { type RunOutcome, run } from "../histories/run.ts";
import { SEED } from "./random.ts";

/** Each has its own kind of history: fenced and acknowledged writes, queues, pauses, caps. */
const PLANTS = [
  "unfenced writes",
  "lost writes",
  "messages given twice",
  "claims in a pause",
  "a task above a cap",
] as const;

test.each(STORES)(
  "%s: 20,000 operations have an order",
  async (store) => {
    const outcome = await run({ store, seed: SEED, operations: 20_000 });
    console.log(summaryOf(outcome, SEED));
    expect(outcome.violations.map(tableOf).join("\n")).toBe("");
    expect(outcome.undecided).toEqual([]);
    expect(outcome.operations).toBeGreaterThan(10_000);
  },
  900_000,
);

/** A run with failovers alone, if this machine has the programs of the servers. */
async function runOnPair(
  store: StoreName,
  start: () => Promise<Place>,
  skip: (note: string) => never,
  operations = 3000,
): Promise<RunOutcome> {
  try {
    return await run({ store, start, seed: SEED, operations, nemesis: ["failovers"] });
  } catch (error) {
    if (error instanceof WayUnavailable) skip(error.message);
    throw error;
  }
}

/** Its standby gets nothing of what the primary acknowledges before the first failover. */
async function startLossyPair(): Promise<Place> {
  const pair = await startPostgresPair({ synchronous: false, proxied: true });
  return {
    address: pair.primary.url,
    description: "PostgreSQL with an asynchronous standby",
    control: pair.primary.control,
    failOver: async (lead) => {
      await pair.part();
      await pause(300);
      await pair.failOver(lead);
    },
    stop: pair.stop,
  };
}

test.for(PAIRED)("%s: 3,000 calls have an order over failovers", { timeout: 300_000 }, async (store, { skip }) => {
  const outcome = await runOnPair(store, () => startPair(store), skip);
  console.log(summaryOf(outcome, SEED));
  expect(outcome.acts.get("failovers")).toBeGreaterThan(2);
  expect(outcome.violations.map(tableOf).join("\n")).toBe("");
  expect(outcome.undecided).toEqual([]);
});

test("a failover that loses acknowledged writes is found out", async ({ skip }) => {
  const outcome = await runOnPair("postgres", startLossyPair, skip, 1500);
  expect(outcome.violations.length).toBeGreaterThan(0);
}, 300_000);

test.each(PLANTS)(
  "a store with %s is found out",
  async (plant) => {
    const outcome = await run({ store: "sqlite", seed: SEED, operations: 2000, nemesis: false, plant });
    expect(outcome.violations.length).toBeGreaterThan(0);
  },
  300_000,
);
