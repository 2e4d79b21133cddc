// Processes work on tasks while everything fails. What they saw has to have one order: see
// `tooling/histories`.
import { expect, test } from "vitest";
import { STORES } from "../histories/places.ts";
import { summaryOf, tableOf } from "../histories/print.ts";
import { run } from "../histories/run.ts";
import { SEED } from "./random.ts";

/** Each has its own kind of history: fenced writes, acknowledged writes, queues. */
const PLANTS = ["unfenced writes", "lost writes", "messages given twice"] as const;

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

test.each(PLANTS)(
  "a store with %s is found out",
  async (plant) => {
    const outcome = await run({ store: "sqlite", seed: SEED, operations: 2000, nemesis: false, plant });
    expect(outcome.violations.length).toBeGreaterThan(0);
  },
  300_000,
);
