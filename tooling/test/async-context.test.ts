import { AsyncLocalStorage } from "node:async_hooks";
import { DurableTaskStore } from "@mcp-task-store/core/backend";
import {
  ANY_OWNER,
  drain,
  MemoryBackend,
  MemoryStorage,
  MemoryTaskStore,
  runNext,
  runTask,
  startPoller,
  startWorker,
  type TaskStore,
} from "@mcp-task-store/memory";
import { afterEach, describe, expect, test } from "vitest";
import { useHandles } from "./fixtures/handles.ts";
import { stores } from "./fixtures/stores.ts";
import { instance, text } from "./serving/support/instance.ts";

// An application's context, such as a request id for its log. `caller` names the current one.
const context = new AsyncLocalStorage<string>();
const caller = () => context.getStore();
const as = <T>(name: string, work: () => T) => context.run(name, work);
const request = { method: "tools/call", params: { name: "work" } };

describe.each(stores)("the context of an AsyncLocalStorage, over $name", (kind) => {
  const handles = useHandles(kind);
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });
  const newTask = async (store: TaskStore = handles.store) =>
    (await store.createTask({ ttl: 60_000, claimAfterMs: 0 }, 1, request)).taskId;

  test("a subscription's listener runs in the context of subscribe, for changes of any caller", async () => {
    await as("first caller", newTask);
    const told: (string | undefined)[] = [];
    const seen = Promise.withResolvers<void>();
    await as("subscriber", () =>
      handles.store.subscribe(() => {
        told.push(caller());
        if (told.length >= 3) seen.resolve();
      }),
    );
    const waiting = as("waiter", async () => {
      const taskId = await newTask();
      await handles.store.waitForTask(taskId, { until: "change", after: 1 });
      return caller();
    });
    await as("writer", newTask);
    await as("other handle", () => newTask(handles.other));
    await seen.promise;
    expect(new Set(told)).toEqual(new Set(["subscriber"]));
    for (const { taskId } of (await handles.store.listTasks(undefined, { owner: ANY_OWNER })).tasks)
      await as("writer", () => handles.store.updateTask(taskId, { statusMessage: "on" }, { owner: ANY_OWNER }));
    expect(await waiting).toBe("waiter");
    expect(new Set(told)).toEqual(new Set(["subscriber"]));
  });

  test("batched calls each continue in their own context", async () => {
    const callers = Array.from({ length: 20 }, (_, index) => `caller ${index}`);
    const seen = callers.map((name) =>
      as(name, async () => {
        const taskId = await newTask();
        const before = caller();
        await handles.store.storeTaskResult(taskId, "completed", {});
        return [before, caller()];
      }),
    );
    expect(await Promise.all(seen)).toEqual(callers.map((name) => [name, name]));
  });

  test("handlers run in the context of the call of runTask, startWorker or startPoller", async () => {
    const taskId = await as("creator", newTask);
    const { result } = await as("runner", () => runTask(handles.store, taskId, () => ({ caller: caller() })));
    expect(result).toEqual({ caller: "runner" });

    const handled = Promise.withResolvers<unknown>();
    const worker = as("worker", () =>
      startWorker(handles.store, {
        work() {
          handled.resolve(caller());
          return {};
        },
      }),
    );
    stops.push(() => worker.stop());
    await as("creator", newTask);
    expect(await handled.promise).toBe("worker");

    const polled: unknown[] = [];
    const ended = Promise.withResolvers<void>();
    const poller = as("poller", () =>
      startPoller(handles.store, {
        minIntervalMs: 1,
        poll(reference) {
          polled.push(caller());
          return { ...reference, status: polled.length > 2 ? "cancelled" : "working", pollInterval: 1 };
        },
        onEnd() {
          polled.push(caller());
          ended.resolve();
        },
      }),
    );
    stops.push(() => poller.stop());
    await as("follower", () => poller.follow({ taskId: "remote" }));
    await ended.promise;
    expect(new Set(polled)).toEqual(new Set(["poller"]));
  });
});

describe.each(stores)("the context of a run, over $name", (kind) => {
  const handles = useHandles(kind);

  test("a handler keeps it across its calls, whichever callers answer and cancel", async () => {
    const taskId = await as("creator", async () => (await handles.store.createTask({ name: "work" })).taskId);
    const seen: (string | undefined)[] = [];
    const heard = Promise.withResolvers<string | undefined>();
    const run = as("runner", () =>
      runTask(handles.store, taskId, async (task) => {
        seen.push(caller());
        await task.progress("begun", 1);
        seen.push(caller());
        await task.elicit({ mode: "form", message: "Go on?", requestedSchema: { type: "object", properties: {} } });
        seen.push(caller());
        task.signal.addEventListener("abort", () => heard.resolve(caller()), { once: true });
        await task.progress("waits for the cancel");
        seen.push(caller());
        await heard.promise;
        seen.push(caller());
        return {};
      }),
    );
    await handles.other.waitForTask(taskId, { until: ["input_required"] });
    const record = await handles.other.getRecord(taskId, { fields: ["inputRequests"] });
    const answers = Object.keys(record?.inputRequests ?? {}).map((key) => [key, { action: "decline" }]);
    await as("answerer", () => handles.store.provideInputs(taskId, Object.fromEntries(answers)));
    await untilSaid("waits for the cancel", taskId);
    await as("canceller", () => handles.store.cancelTask(taskId));
    await run;
    expect(await heard.promise).toBe("runner");
    expect(new Set(seen)).toEqual(new Set(["runner"]));
    expect(seen).toHaveLength(5);
  });

  test("runNext and drain run tasks in the context of their own caller", async () => {
    const seen: (string | undefined)[] = [];
    const handlers = { work: () => ({ content: [seen.push(caller())] }) };
    for (const name of ["first creator", "second creator"])
      await as(name, () => handles.store.createTask({ name: "work", claimAfterMs: 0 }));
    await as("cron", () => runNext(handles.store, handlers));
    await as("waitUntil", () => drain(handles.store, handlers, { onRun: () => seen.push(caller()) }));
    expect(seen).toEqual(["cron", "waitUntil", "waitUntil"]);
  });

  async function untilSaid(statusMessage: string, taskId: string): Promise<void> {
    let after: number | undefined;
    for (;;) {
      const snapshot = await handles.other.waitForTask(taskId, { until: "change", after });
      if (snapshot.task.statusMessage === statusMessage) return;
      after = snapshot.revision;
    }
  }
});

test("onError runs in the context that made the store, for a sweep and for a call", async () => {
  const told: (string | undefined)[] = [];
  const twice = Promise.withResolvers<void>();
  const onError = () => {
    told.push(caller());
    if (told.length === 2) twice.resolve();
  };
  const backend = new MemoryBackend(new MemoryStorage());
  backend.deleteExpired = () => Promise.reject(new Error("The disk is full"));
  backend.shift = () => Promise.reject(new Error("The disk is full"));
  const store = as("maker", () => new DurableTaskStore(backend, { sweepIntervalMs: 1, onError }));
  await as("first caller", () => store.messages.dequeueAll("task"));
  await twice.promise;
  expect(new Set(told)).toEqual(new Set(["maker"]));
  await store.close();
});

test("a server's run has the context of its request, a worker's run that of the extension", async () => {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  const seen: (string | undefined)[] = [];
  const server = as("extension", () =>
    instance(
      store,
      (tasks, mcp) => {
        tasks.registerTool(mcp, "work", {}, () => {
          seen.push(caller());
          return text("done");
        });
      },
      { worker: { claimPollMs: 1 } },
    ),
  );
  const { taskId } = await as("request", () => server.peer().start("work"));
  await store.waitForTask(taskId, { owner: ANY_OWNER });
  const left = await as("elsewhere", () => store.createTask({ claimAfterMs: 0 }, 1, request));
  await store.waitForTask(left.taskId, { owner: ANY_OWNER });
  expect(seen).toEqual(["request", "extension"]);
  await server[Symbol.asyncDispose]();
  await store.close();
});

test("a worker that the server starts, and drain after a request, do not see the context of any request", async () => {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  const seen: (string | undefined)[] = [];
  const server = as("extension", () =>
    instance(
      store,
      (tasks, mcp) => {
        tasks.registerTool(mcp, "work", { runs: "worker" }, () => {
          seen.push(caller());
          return text("done");
        });
      },
      { worker: false },
    ),
  );
  const first = await as("first request", () => server.peer().start("work"));
  await as("second request", () => server.tasks.drain({ onRun: () => seen.push(caller()) }));
  await store.waitForResult(first.taskId, { owner: ANY_OWNER });
  expect(seen.splice(0)).toEqual(["extension", "extension"]);
  as("main", () => server.tasks.startWorker({ claimPollMs: 1 }));
  const { taskId } = await as("third request", () => server.peer().start("work"));
  await store.waitForResult(taskId, { owner: ANY_OWNER });
  expect(seen).toEqual(["main"]);
  await server[Symbol.asyncDispose]();
  await store.close();
});
