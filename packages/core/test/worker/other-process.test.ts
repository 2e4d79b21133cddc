import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startWorker, type TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { durableStores, type Place } from "../../../../tooling/test/fixtures/stores.ts";
import { newTask } from "./support.ts";

describe.each(durableStores)("a runner in another process, over $name,", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await place[Symbol.asyncDispose]();
  });

  /** Starts the process, and resolves when it is half-way through the task. */
  async function runElsewhere(taskId: string, leaseMs: number): Promise<{ child: ChildProcess; lines: Interface }> {
    const program = fileURLToPath(new URL("../../../../tooling/test/fixtures/runner-process.ts", import.meta.url));
    const args = [program, JSON.stringify(place.address), taskId, String(leaseMs)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    const [line] = await once(lines, "line");
    expect(JSON.parse(line)).toMatchObject({ taskId, status: "working", statusMessage: "half-way" });
    return { child, lines };
  }

  test("is replaced after a kill by a worker, which continues from the checkpoint", async () => {
    const taskId = await newTask(store, { claimAfterMs: 30_000 });
    const { child } = await runElsewhere(taskId, 300);
    const worker = startWorker(
      store,
      { work: ({ attempt, checkpoint }) => ({ attempt, checkpoint }) },
      { claimPollMs: 10 },
    );
    try {
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(await store.waitForResult(taskId)).toEqual({
        attempt: 2,
        checkpoint: { half: true, attempt: 1, pid: child.pid },
      });
    } finally {
      await worker.stop();
    }
  });

  test("is left alone while it lives, and sees the cancellation", async () => {
    const taskId = await newTask(store, { claimAfterMs: 30_000 });
    const { child, lines } = await runElsewhere(taskId, 30_000);
    expect(await store.claimTask({ names: ["work"] })).toBeNull();
    const ended = Promise.all([once(lines, "line"), once(child, "exit")]);
    await store.cancelTask(taskId);
    const [[line], [exitCode]] = await ended;
    expect(JSON.parse(line)).toEqual({ stored: false, status: "cancelled" });
    expect(exitCode).toBe(0);
  });
});
