import {
  type DeliveredEvent,
  DeliveryError,
  type FailedDelivery,
  type NotifierOptions,
  startNotifier,
  type TaskNotifier,
} from "@mcp-task-store/core";
import { DurableTaskStore } from "@mcp-task-store/core/backend";
import { afterEach, describe, expect, test, vi } from "vitest";
import { aborted, rejection } from "../../../../tooling/test/fixtures/events.ts";
import { useHandles } from "../../../../tooling/test/fixtures/handles.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { SqliteBackend } from "../../examples/sqlite-backend.ts";

const NAME = "receiver";
/** No event of these tests comes by a poll. */
const NEVER = 2 ** 31 - 1;

describe.each(stores)("a notifier over $name", (kind) => {
  const handles = useHandles(kind);
  const notifiers: TaskNotifier[] = [];
  afterEach(async () => void (await Promise.all(notifiers.splice(0).map((each) => each.stop({ waitMs: 0 })))));

  async function start(options: Partial<NotifierOptions>, store = handles.store): Promise<TaskNotifier> {
    const notifier = startNotifier(store, { name: NAME, on: ["created"], deliver: () => undefined, ...options });
    notifiers.push(notifier);
    await notifier.registered();
    return notifier;
  }
  const create = async () => (await handles.other.createTask({ name: "work" })).taskId;
  const waiting = async () => (await handles.other.operations.notifiers())[0]?.waiting;

  test("is woken by a change of another process, and delivers no more at once than its concurrency", async () => {
    const ends: (() => void)[] = [];
    const delivered: string[] = [];
    await start({
      concurrency: 2,
      pollMs: NEVER,
      deliver: async ({ task }) => {
        delivered.push(task.taskId);
        await new Promise<void>((resolve) => ends.push(resolve));
      },
    });
    const ids = [await create(), await create(), await create()];
    await vi.waitFor(() => expect(delivered).toHaveLength(2), 10_000);
    ends.shift()?.();
    await vi.waitFor(() => expect(delivered).toHaveLength(3), 10_000);
    expect(delivered.toSorted()).toEqual(ids.toSorted());
    for (const end of ends) end();
    await vi.waitFor(async () => expect(await waiting()).toBe(0), 10_000);
  });

  test("stops: a delivery may end, and one that does not is aborted and given back", async () => {
    const begun: [DeliveredEvent, AbortSignal][] = [];
    const { promise, resolve: end } = Promise.withResolvers<void>();
    const options: Partial<NotifierOptions> = {
      deliver: async (event, { signal }) => {
        begun.push([event, signal]);
        if (begun.length === 1) await promise;
        else throw await aborted(signal);
      },
    };
    const notifier = await start(options);
    await Promise.all([create(), create()]);
    await vi.waitFor(() => expect(begun).toHaveLength(2), 10_000);
    const stopped = notifier.stop({ waitMs: 50 });
    end();
    await stopped;
    expect(begun.map(([, signal]) => signal.aborted)).toEqual([false, true]);
    expect(await waiting()).toBe(1);
    const again = Promise.withResolvers<DeliveredEvent>();
    await start({ deliver: (event) => again.resolve(event) });
    const { id, attempt } = await again.promise;
    expect([id, attempt]).toEqual([begun[1]?.[0].id, 1]);
  });

  test("fails a delivery that takes too long, and waits as long as an error asks for", async () => {
    const failures: [unknown, FailedDelivery | undefined][] = [];
    let deliveries = 0;
    await start({
      timeoutMs: 30,
      pollMs: 5,
      backoff: { delayMs: 1 },
      onError: (...failure) => void failures.push(failure),
      deliver: () => {
        deliveries += 1;
        if (deliveries === 1) return new Promise(() => undefined);
        throw new DeliveryError("Later", { retryAfterMs: 3_600_000 });
      },
    });
    await create();
    await vi.waitFor(() => expect(failures).toHaveLength(2), 10_000);
    expect(failures[0]).toMatchObject([{ name: "TimeoutError" }, { setAside: false, event: { attempt: 1 } }]);
    expect(failures[1]).toMatchObject([{ message: "Later" }, { setAside: false, event: { attempt: 2 } }]);
    await vi.waitFor(async () => {
      const { events } = await handles.other.operations.listEvents({ notifier: NAME });
      expect(events).toMatchObject([{ attempt: 2, error: "Later" }]);
    }, 10_000);
    // It waits, and another event does not.
    await create();
    await vi.waitFor(() => expect(failures).toHaveLength(3), 10_000);
  });

  test("reports that it was removed, and ends", async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const notifier = await start({ pollMs: 5, onError: resolve });
    await handles.other.operations.removeNotifier(NAME);
    expect(await promise).toMatchObject({ code: "INVALID_ARGUMENT", message: /was removed/ });
    await create();
    await notifier.stop();
    expect(await handles.other.operations.notifiers()).toEqual([]);
  });

  test("goes on after failures of the store", async () => {
    const { events } = handles.store;
    let failing = 3;
    const failures: unknown[] = [];
    const unreliable = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => {
      return async (...args: Args) => {
        failing -= 1;
        if (failing >= 0) throw new Error("connect ECONNREFUSED");
        return call(...args);
      };
    };
    const { promise: delivered, resolve } = Promise.withResolvers<void>();
    const notifier = startNotifier(
      {
        events: {
          register: unreliable(events.register.bind(events)),
          take: events.take.bind(events),
          settle: unreliable(events.settle.bind(events)),
          watch: events.watch.bind(events),
        },
      },
      {
        name: NAME,
        on: ["created"],
        pollMs: 5,
        onError: (error) => void failures.push(error),
        deliver: () => {
          failing = 2;
          resolve();
        },
      },
    );
    notifiers.push(notifier);
    await notifier.registered();
    expect(failures).toHaveLength(3);
    await create();
    await delivered;
    await vi.waitFor(async () => expect(await waiting()).toBe(0), 10_000);
    expect(failures).toHaveLength(5);
  });
});

test("a process that dies in each delivery of an event sets it aside", async () => {
  const settled: unknown[] = [];
  const task = { taskId: "a", name: "work", status: "working", revision: 1 } as const;
  const event = { id: "e", kind: "created", at: "2026-11-27T07:18:09.018Z", task, attempt: 4 } as const;
  const given = [[{ lease: { seq: 1, token: 4 }, event }]];
  const done = Promise.withResolvers<void>();
  const notifier = startNotifier(
    {
      events: {
        register: async () => undefined,
        take: async () => given.pop() ?? [],
        settle: async (_, outcomes) => {
          settled.push(...outcomes);
          done.resolve();
        },
        watch: async () => () => undefined,
      },
    },
    { name: NAME, on: ["created"], limit: 3, deliver: () => expect.fail("It was delivered"), onError: () => undefined },
  );
  await done.promise;
  await notifier.stop();
  expect(settled).toMatchObject([{ lease: { seq: 1, token: 4 }, outcome: "setAside" }]);
});

test("a backend that keeps no events is refused", async () => {
  const store = new DurableTaskStore(new SqliteBackend(":memory:"));
  const failures: unknown[] = [];
  const notifier = startNotifier(store, {
    name: NAME,
    on: ["end"],
    deliver: () => undefined,
    onError: (error) => void failures.push(error),
  });
  expect(await rejection(notifier.registered())).toMatchObject({ code: "NOT_SUPPORTED", message: /notifiers/ });
  await notifier.stop();
  expect(failures).toHaveLength(1);
  await store.close();
});

test.each([
  [{}, /option name/],
  [{ name: "" }, /name must be/],
  [{ name: NAME, on: [] }, /on must be/],
  [{ name: NAME, on: ["ended"] }, /created, progress, input_required or end/],
  [{ name: NAME, on: ["end"], deliver: "x" }, /deliver must be/],
  [{ name: NAME, on: ["end"], deliver: String, backoff: { delay: 1 } }, /backoff\.delayMs/],
  [{ name: NAME, on: ["end"], deliver: String, timeoutMs: 10, leaseMs: 5 }, /leaseMs must be/],
])("options %j are refused at once", (options, message) => {
  const store = new DurableTaskStore(new SqliteBackend(":memory:"));
  expect(() => startNotifier(store, options as unknown as NotifierOptions)).toThrow(message);
  expect(() => startNotifier({} as typeof store, options as unknown as NotifierOptions)).toThrow(/needs a task store/);
});
