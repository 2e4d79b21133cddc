import { ANY_OWNER, type PollerOptions, TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { A, advance, DONE, intercepted, useScene } from "./support.ts";

describe("another poller on the same store", () => {
  const scene = useScene();

  test("takes over every unfinished task and polls it at once", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `task-${index}`);
    for (const name of names) scene.remote.set(name, { pollIntervalMs: 100_000 });
    const first = scene.start();
    await Promise.all(names.map((taskId) => first.follow({ taskId })));
    await advance(1000);
    scene.remote.set("task-7", { status: "completed", result: DONE });
    await advance(100_000);
    await first.stop();
    expect(names.map((name) => scene.remote.times(name).length)).toEqual(names.map(() => 2));
    scene.changes.length = 0;
    scene.start();
    await advance(50);
    expect(names.map((name) => scene.remote.times(name).length)).toEqual(
      names.map((name) => (name === "task-7" ? 2 : 3)),
    );
    expect(scene.changes).toEqual([]);
  });

  test("reports a task that waits for input again, but not a stall that was reported", async () => {
    // An SDK may set undefined for absent fields.
    const params = { message: "Your name?", mode: undefined };
    const inputRequests = { name: { method: "elicitation/create", params } };
    scene.remote.set("a", { status: "input_required", inputRequests });
    const first = scene.start({ stalledAfterMs: 5000 });
    const taskId = await first.follow(A);
    await advance(6000);
    await first.stop();
    expect([scene.changes.length, scene.stalls.length]).toEqual([1, 1]);
    const known = await scene.record(taskId);
    const second = scene.start({ stalledAfterMs: 5000 });
    await advance(20_000);
    expect(scene.changes).toEqual([
      expect.objectContaining({ inputRequests }),
      expect.objectContaining({ inputRequests }),
    ]);
    expect(scene.stalls).toHaveLength(1);
    // The callback was called, but nothing new was stored.
    expect((await scene.record(taskId))?.revision).toBe(known?.revision);
    await second.stop();
  });

  test.each(["a state that was read", "its creation"])("counts the time without a change from %s on", async (since) => {
    scene.remote.set("a");
    const first = scene.start({ stalledAfterMs: 10_000 });
    await first.follow(A, since === "its creation" ? { task: scene.remote.poll(A) } : {});
    await advance(6500);
    await first.stop();
    await advance(1000);
    scene.start({ stalledAfterMs: 10_000 });
    await advance(10_000);
    expect(scene.stalls.map(({ at }) => Math.floor(at / 100))).toEqual([30]);
  });

  test("takes over a task whose lease lapsed, and the former poller drops it", async () => {
    let up = true;
    const cut = intercepted(scene.store, (method) => {
      if (!up && method !== "getRecord") throw new TaskStoreError("BACKEND_UNAVAILABLE", "down");
    });
    const polledBy: string[] = [];
    const by = (name: string): Partial<PollerOptions> => ({
      leaseMs: 8000,
      poll(reference) {
        polledBy.push(name);
        return scene.remote.poll(reference);
      },
    });
    scene.remote.set("a");
    const first = scene.start(by("first"), cut);
    const second = scene.start(by("second"));
    const taskId = await first.follow(A);
    await advance(30_000);
    expect(new Set(polledBy)).toEqual(new Set(["first"]));
    up = false;
    await advance(10_000);
    polledBy.length = 0;
    up = true;
    await advance(30_000);
    expect(new Set(polledBy)).toEqual(new Set(["second"]));
    scene.remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    expect(await second.wait(taskId)).toEqual({ status: "completed", result: DONE });
    expect(scene.ends).toHaveLength(1);
  });

  test("blocks every write of a poller that lost its lease to it", async () => {
    scene.remote.set("a");
    const first = scene.start({ leaseMs: 8000 });
    const taskId = await first.follow(A);
    await advance(1000);
    // Time passes only for the store, as for a suspended process.
    const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 10_000);
    await scene.store.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 3_600_000 });
    later.mockRestore();
    scene.remote.set("a", { status: "completed", result: DONE });
    await advance(60_000);
    expect((await scene.record(taskId))?.task.status).toBe("working");
    expect(scene.ends).toEqual([]);
    expect(scene.remote.times("a")).toHaveLength(3);
  });
});
