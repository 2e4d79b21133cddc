import { MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { FORM, Gate, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";
import type { Peer } from "./support/rpc.ts";

/** Longer than a test may take. */
const LONG = 600_000;

describe.each(stores)("tasks/get with getWaitMs over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let cleanUp: AsyncDisposableStack;
  let half: Gate;
  let gate: Gate;
  /** Runs the tasks. */
  let caller: Peer;

  const serve = (options: InstanceOptions, store = place.open()): Instance => {
    const register = (tasks: Instance["tasks"], server: Parameters<Instance["tasks"]["attach"]>[0]) => {
      tasks.registerTool(server, "work", { task: "required" }, async (_, task) => {
        await half.pass(task.signal);
        await task.progress("half-way");
        await gate.pass(task.signal);
        return text("done");
      });
      tasks.registerTool(server, "question", { task: "required" }, async (_, task) => {
        await half.pass(task.signal);
        const { content } = await task.elicit(FORM);
        return text(`Hello, ${content?.["name"]}!`);
      });
    };
    return cleanUp.use(instance(store, register, { worker: false, ...options }));
  };

  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    place = cleanUp.use(await newPlace());
    half = new Gate();
    gate = new Gate();
    caller = serve({}).peer();
  });
  afterEach(() => cleanUp.disposeAsync());

  test("the answer comes with the next change, in another process as well, and at once for a task that ended", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG }, store.store).peer();
    const { taskId } = await caller.start("work");
    const first = waiting.task(taskId);
    await store.reaches(1);
    half.open();
    expect(await first).toMatchObject({ status: "working", statusMessage: "half-way" });
    const second = waiting.task(taskId);
    await store.reaches(1);
    gate.open();
    const last = await second;
    expect(last).toMatchObject({ status: "completed", result: text("done") });
    expect(await waiting.task(taskId)).toEqual(last);
    expect(last).toEqual(await caller.task(taskId));
  });

  test("a question ends the wait, and a task that asks is answered at once", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG }, store.store).peer();
    const { taskId } = await caller.start("question");
    const asked = waiting.task(taskId);
    await store.reaches(1);
    half.open();
    const question = await asked;
    expect(question).toMatchObject({ status: "input_required" });
    expect(await waiting.task(taskId)).toEqual(question);
    await caller.cancel(taskId);
  });

  test("without a change the answer is the state after getWaitMs", async () => {
    const { taskId } = await caller.start("work");
    const waiting = serve({ getWaitMs: 50 }).peer();
    const started = performance.now();
    expect(await waiting.task(taskId)).toEqual(await caller.task(taskId));
    expect(performance.now() - started).toBeGreaterThanOrEqual(49);
    await caller.cancel(taskId);
  });

  test("unknown and foreign tasks get the same error at once, and an expiry ends the wait with it", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG }, store.store);
    const foreign = await place.open().createTask({ ttl: 60_000 }, 1, { method: "tools/call" }, { owner: "Ada" });
    const unknown = await waiting.peer().ask("tasks/get", { taskId: "unknown" });
    expect(unknown.error).toMatchObject({ code: -32602 });
    expect((await waiting.peer().ask("tasks/get", { taskId: foreign.taskId })).error).toEqual(unknown.error);
    const own = await place.open().createTask({ ttl: 60_000 }, 1, { method: "tools/call" }, { owner: "(anonymous)" });
    const answer = waiting.peer().ask("tasks/get", { taskId: own.taskId });
    await store.reaches(1);
    await place.skip(60_001);
    expect((await answer).error).toEqual(unknown.error);
  });

  test("closing the extension answers those that wait, and later polls do not wait", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG }, store.store);
    const { taskId } = await caller.start("work");
    const held = waiting.peer().task(taskId);
    await store.reaches(1);
    await waiting.tasks.close();
    expect(await held).toMatchObject({ status: "working" });
    expect(await waiting.peer().task(taskId)).toMatchObject({ status: "working" });
    await caller.cancel(taskId);
  });

  test("polls that wait take no place of tasks/result", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG, maxWaits: 1 }, store.store).peer();
    const { taskId } = await caller.start("work");
    const held = waiting.task(taskId);
    await store.reaches(1);
    const result = waiting.askOld("tasks/result", { taskId });
    await store.reaches(2);
    await caller.cancel(taskId);
    expect(await held).toMatchObject({ status: "cancelled" });
    expect((await result).error).toMatchObject({ code: -32602 });
  });

  test("a client that goes away ends its wait, and beyond the limit of waits the answer is the present state", async () => {
    const store = counted(place.open());
    const waiting = serve({ getWaitMs: LONG, maxWaitsPerOwner: 1 }, store.store).peer();
    const { taskId } = await caller.start("work");
    const abort = new AbortController();
    const gone = waiting.ask("tasks/get", { taskId }, undefined, abort.signal).catch(() => undefined);
    await store.reaches(1);
    expect(await waiting.task(taskId)).toMatchObject({ status: "working" });
    abort.abort();
    await store.reaches(0);
    await gone;
    const held = waiting.task(taskId);
    await store.reaches(1);
    half.open();
    expect(await held).toMatchObject({ statusMessage: "half-way" });
    await caller.cancel(taskId);
  });
});

test.each([-1, Number.NaN, "1 s"])("getWaitMs %s is refused", (getWaitMs) => {
  const options = { getWaitMs: getWaitMs as number };
  expect(() => instance(new MemoryTaskStore({ sweepIntervalMs: false }), () => undefined, options)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("getWaitMs") }),
  );
});
