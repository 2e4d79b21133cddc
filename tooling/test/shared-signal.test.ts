import { getEventListeners } from "node:events";
import {
  ANY_OWNER,
  MemoryTaskStore,
  runTask,
  startPoller,
  startWorker,
  type TaskContext,
} from "@mcp-task-store/memory";
import { describe, expect, test } from "vitest";
import { useHandles } from "./fixtures/handles.ts";
import { collectGarbage, Watched } from "./fixtures/memory.ts";
import { stores } from "./fixtures/stores.ts";
import { Gate, instance, text } from "./serving/support/instance.ts";

// A server passes its shutdown signal to every run and wait. A finished one must leave no listener
// on it.

const REQUEST = { method: "tools/call", params: { name: "work" } };
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

describe.each(stores)("on a shared signal, over $name", (kind) => {
  const handles = useHandles(kind);
  const newTask = async () => (await handles.store.createTask({ ttl: 60_000 }, 1, REQUEST)).taskId;

  test("finished runs leave no listener and can be collected", async () => {
    const { signal } = new AbortController();
    const runs = new Watched();
    for (let round = 0; round < 3; round += 1) {
      const gate = new Gate();
      const all = Promise.withResolvers<void>();
      const taskIds = await Promise.all(times(20, newTask));
      let started = 0;
      const outcomes = taskIds.map((taskId) =>
        runTask(
          handles.store,
          taskId,
          async (task) => {
            runs.add(task);
            started += 1;
            if (started === taskIds.length) all.resolve();
            await gate.pass();
            return {};
          },
          { signal },
        ),
      );
      await all.promise;
      await collectGarbage();
      gate.open();
      expect(await Promise.all(outcomes)).toEqual(taskIds.map(() => expect.objectContaining({ stored: true })));
    }
    expect(listeners(signal)).toBe(0);
    expect(await runs.survivors()).toBeLessThan(6);
  });

  test("answered questions leave no listener on the signal of their run", async () => {
    const seen: number[] = [];
    const asks = new Watched();
    let own: TaskContext | undefined;
    const deliver = async (_: unknown, { signal }: { signal: AbortSignal }) => {
      asks.add(signal);
      return { action: "accept" };
    };
    const handler = async (task: TaskContext) => {
      own = task;
      for (let turn = 0; turn < 10; turn += 1) await task.elicit({ message: "Sure?" });
      seen.push(listeners(task.signal), await asks.survivors());
      return {};
    };
    await runTask(handles.store, await newTask(), handler, { deliver });
    expect(own?.signal.aborted).toBe(false);
    expect(seen[0]).toBe(0);
    expect(seen[1]).toBeLessThan(3);
  });

  test("waits leave no listener, however they end", async () => {
    const { signal } = new AbortController();
    const { store } = handles;
    const [done = "", open = "", asking = ""] = await Promise.all(times(3, newTask));
    await store.requestInputs(asking, { sure: { method: "elicitation/create", params: {} } });
    const waits = [
      store.waitForTask(done, { signal }),
      store.waitForResult(done, { signal, timeoutMs: 60_000 }),
      store.awaitInput(asking, "sure", { signal, timeoutMs: 60_000 }),
      store.waitForTask(open, { signal, timeoutMs: 1 }),
      store.awaitInput(asking, "unknown", { signal, timeoutMs: 60_000 }),
      store.waitForTask("nothing", { signal }),
    ];
    const settled = Promise.allSettled(waits);
    await store.provideInputs(asking, { sure: { action: "accept" } });
    await store.storeTaskResult(done, "completed", {});
    expect((await settled).map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
    ]);
    expect(listeners(signal)).toBe(0);
  });

  test("workers leave no listener after stop() or the store's close", async () => {
    const { signal } = new AbortController();
    const closed = handles.place.open();
    const onError = () => undefined;
    const workers = [handles.store, closed].map((store) => {
      const finished = Promise.withResolvers<void>();
      const worker = startWorker(
        store,
        { work: () => ({}) },
        { signal, claimPollMs: 20, onError, onRun: () => finished.resolve() },
      );
      return { worker, finished: finished.promise };
    });
    await handles.store.createTask({ claimAfterMs: 0 }, 1, REQUEST);
    await Promise.race(workers.map(({ finished }) => finished));
    await collectGarbage();
    await closed.close();
    await workers[0]?.worker.stop();
    await expect.poll(() => listeners(signal)).toBe(0);
    await workers[1]?.worker.stop();
  });

  test("a poller's waits leave no listener", async () => {
    const { signal } = new AbortController();
    const poller = startPoller(handles.store, { poll: ({ taskId }) => ({ taskId, status: "cancelled" }) });
    const taskIds = await Promise.all(times(5, (index) => poller.follow({ taskId: `remote ${index}` })));
    await Promise.all(taskIds.map((taskId) => poller.wait(taskId, { signal, timeoutMs: 60_000 })));
    expect(listeners(signal)).toBe(0);
    await poller.stop();
  });
});

test("a handler's listeners on its own signal keep no finished run of a server alive", async () => {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  const runs = new Watched();
  const tools = instance(store, (tasks, mcp) => {
    tasks.registerTool(mcp, "work", { timeoutMs: 60_000 }, (_, task) => {
      runs.add(task);
      task.signal.addEventListener("abort", () => task.taskId);
      return text("done");
    });
  });
  const peer = tools.peer();
  for (let call = 0; call < 20; call += 1) {
    const { taskId } = await peer.start("work");
    await store.waitForTask(taskId, { owner: ANY_OWNER });
  }
  expect(await runs.survivors()).toBeLessThan(4);
  await tools[Symbol.asyncDispose]();
  await store.close();
});
