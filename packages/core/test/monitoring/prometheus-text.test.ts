import { ANY_OWNER, prometheusText, runTask, type TakenEvent } from "@mcp-task-store/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MemoryTaskStore } from "../../../../tooling/test/fixtures/stores.ts";

function stored(clock = { now: () => Date.now() }): MemoryTaskStore {
  const store = new MemoryTaskStore({ clock });
  onTestFinished(() => store.close());
  return store;
}

/** The samples of a text by metric and labels. */
function valuesOf(text: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]));
}

describe("the text for Prometheus", () => {
  test("says how many tasks are in which state, and how long the oldest has waited", async () => {
    let time = 1_800_000_000_000;
    const store = stored({ now: () => time });
    await store.createTask({ name: "grind", claimAfterMs: 0 });
    await store.createTask({ name: "grind" });
    const { taskId } = await store.createTask({ name: "press" });
    await runTask(store, taskId, async () => ({ content: [], isError: true }));
    await store.operations.pauseClaims("press");
    time += 12_000;
    expect(valuesOf(await prometheusText(store))).toMatchObject({
      mcp_task_store_up: 1,
      mcp_task_store_complete: 1,
      'mcp_task_store_tasks{name="grind",status="working"}': 2,
      'mcp_task_store_tasks{name="press",status="failed"}': 1,
      'mcp_task_store_running{name="grind"}': 0,
      'mcp_task_store_claimable{name="grind"}': 1,
      'mcp_task_store_queue_latency_seconds{name="grind"}': 12,
      'mcp_task_store_queue_latency_seconds{name="press"}': 0,
      'mcp_task_store_paused{name="press"}': 1,
      'mcp_task_store_stuck{name="grind"}': 0,
      'mcp_task_store_last_minute_ended{status="failed"}': 0,
    });
  });

  test("has what ended in the last full minute", async () => {
    let time = 1_800_000_000_000;
    const store = stored({ now: () => time });
    const { taskId } = await store.createTask({ name: "press" });
    time += 2000;
    await runTask(store, taskId, async () => {
      time += 3000;
      return { content: [] };
    });
    time += 60_000;
    expect(valuesOf(await prometheusText(store))).toMatchObject({
      'mcp_task_store_last_minute_ended{status="completed"}': 1,
      'mcp_task_store_last_minute_wait_seconds{quantile="0.5"}': 2,
      'mcp_task_store_last_minute_run_seconds{quantile="0.99"}': 3,
    });
  });

  test("says what notifiers have not delivered, and for how long", async () => {
    let time = 1_800_000_000_000;
    const store = stored({ now: () => time });
    expect(await prometheusText(store)).not.toContain("notifier");
    await store.events.register({ name: "audit", on: ["created"] });
    await store.createTask({ name: "grind" });
    await store.createTask({ name: "grind" });
    const [first] = (await store.events.take({ notifier: "audit", limit: 1, leaseMs: 1000 })) ?? [];
    await store.events.settle("audit", [{ lease: (first as TakenEvent).lease, outcome: "setAside", error: "refused" }]);
    time += 7000;
    expect(valuesOf(await prometheusText(store, { maxAgeMs: 0 }))).toMatchObject({
      'mcp_task_store_notifier_undelivered{notifier="audit"}': 1,
      'mcp_task_store_notifier_set_aside{notifier="audit"}': 1,
      'mcp_task_store_notifier_latency_seconds{notifier="audit"}': 7,
    });
  });

  test("groups the samples of several stores, one HELP and one TYPE for each metric", async () => {
    const [main, reports] = [stored(), stored()];
    await main.createTask({ name: 'a "name"\\ of\ntwo lines' });
    await reports.createTask({ name: "sum" });
    const text = await prometheusText({ main, reports });
    expect(text).toContain(
      'mcp_task_store_tasks{store="main",name="a \\"name\\"\\\\ of\\ntwo lines",status="working"} 1\n',
    );
    expect(text).toContain('mcp_task_store_tasks{store="reports",name="sum",status="working"} 1\n');
    const types = text.split("\n").filter((line) => line.startsWith("# TYPE"));
    expect(new Set(types).size).toBe(types.length);
    // Prometheus wants all lines of a metric together.
    const names = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => /mcp_task_store_\w+/.exec(line)?.[0]);
    expect(names.filter((name, index) => name !== names[index - 1])).toHaveLength(types.length);
  });

  test("counts a store once for readers within maxAgeMs, and for those that ask at once", async () => {
    const store = stored();
    const stats = vi.spyOn(store.operations, "stats");
    await Promise.all([prometheusText(store), prometheusText(store)]);
    await prometheusText({ main: store });
    expect(stats).toHaveBeenCalledTimes(1);
    await prometheusText(store, { maxAgeMs: 0 });
    expect(stats).toHaveBeenCalledTimes(2);
  });

  test("says that a store is down, and asks it no more often than one that is up", async () => {
    const [main, down] = [stored(), stored()];
    const stats = vi.spyOn(down.operations, "stats").mockRejectedValue(new Error("no database"));
    const values = valuesOf(await prometheusText({ main, down }));
    expect(values).toMatchObject({ 'mcp_task_store_up{store="main"}': 1, 'mcp_task_store_up{store="down"}': 0 });
    expect(Object.keys(values).filter((key) => key.includes('"down"'))).toHaveLength(1);
    await prometheusText(down);
    expect(stats).toHaveBeenCalledTimes(1);
  });

  test.each([
    ["no store", {}],
    ["something else", { main: { operations: {} } }],
    ["nothing", undefined],
  ])("refuses %s", async (_, stores) => {
    await expect(prometheusText(stores as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("has no id and no owner of a task", async () => {
    const store = stored();
    const { taskId } = await store.createTask({ name: "grind", owner: "alice" });
    const text = await prometheusText(store);
    expect(text).not.toContain(taskId);
    expect(text).not.toContain("alice");
    expect(await store.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ owner: "alice" });
  });
});
