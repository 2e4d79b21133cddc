import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DurableTaskStore } from "@mcp-task-store/core/backend";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import fc from "fast-check";
import { describe, test } from "vitest";
import { SqliteBackend } from "../../packages/core/examples/sqlite-backend.ts";
import { steps, type World, walk } from "./random-walk.ts";

// Every backend behaves like the memory store for random sequences of calls.

function makeClock() {
  let time = 1_800_000_000_000;
  return {
    now: () => time,
    advance(ms: number) {
      time += ms;
    },
  };
}

function memory(): World {
  const clock = makeClock();
  const storage = new MemoryStorage({ clock });
  return {
    open: (options) => new MemoryTaskStore({ ...options, storage }),
    advance: clock.advance,
    destroy: async () => undefined,
  };
}

function inFile(open: (path: string, clock: { now(): number }) => World["open"]): () => World {
  return () => {
    const clock = makeClock();
    const folder = mkdtempSync(join(tmpdir(), "random-walk-"));
    return {
      open: open(join(folder, "tasks.db"), clock),
      advance: clock.advance,
      destroy: async () => rmSync(folder, { recursive: true }),
    };
  };
}

const worlds: Record<string, () => World> = {
  sqlite: inFile((path, clock) => (options) => new SqliteTaskStore({ ...options, path, clock })),
  "the example of core": inFile(
    (path, clock) => (options) => new DurableTaskStore(new SqliteBackend(path, clock.now), options),
  ),
};

describe.each(Object.keys(worlds))("%s", (name) => {
  test("behaves like memory", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, (taken) => walk(memory(), (worlds[name] as () => World)(), taken)),
      { numRuns: 60, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
    );
  });
});
