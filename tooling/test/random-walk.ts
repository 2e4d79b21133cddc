import assert from "node:assert/strict";
import type { Lease, QueuedMessage, TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import fc from "fast-check";

/** A fresh set of tasks, under a clock that only `advance` moves. */
export interface World {
  open(options: TaskStoreOptions): TaskStore;
  advance(ms: number): void;
  destroy(): Promise<void>;
}

const OPTIONS: TaskStoreOptions = {
  pageSize: 2,
  messageTtlMs: 900,
  sweepIntervalMs: false,
  limits: { activeTasks: 5, activeTasksPerOwner: 2, messagesPerTask: 3 },
};

// Few distinct values, so that steps collide.
const taskId = fc.constantFrom("a", "b", "c", "d", "e", "f");
const owner = fc.constantFrom("ada", "grace", undefined);
const name = fc.constantFrom("grind", "bake");
const key = fc.constantFrom("k1", "k2", "__proto__");
const ttl = fc.constantFrom(null, 0, 300, 1000, 5000);
const leaseMs = fc.constantFrom(50, 400, 3000);
const status = fc.constantFrom("working", "input_required", "completed", "failed", "cancelled");
const statusMessage = fc.option(fc.string({ unit: "binary", maxLength: 3 }), { nil: undefined });
const json = fc.jsonValue({ maxDepth: 2 });
const slot = fc.nat(2);

/** One call of a store, or a move of the clock. `handle` selects one of the world's two stores. */
const step = fc.record({
  handle: fc.nat(1),
  call: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("create"),
        taskId,
        owner,
        name,
        ttl,
        claimAfterMs: leaseMs,
        context: json,
      }),
    },
    fc.record({ do: fc.constant("updateStatus"), taskId, owner, status, statusMessage }),
    fc.record({ do: fc.constant("updateUnderLease"), slot, statusMessage, checkpoint: json }),
    fc.record({ do: fc.constant("storeResult"), taskId, owner, result: json }),
    fc.record({ do: fc.constant("finishUnderLease"), slot, code: fc.integer() }),
    fc.record({ do: fc.constant("cancel"), taskId, owner }),
    fc.record({ do: fc.constant("ask"), taskId, owner, keys: fc.uniqueArray(key, { minLength: 1 }), method: name }),
    fc.record({ do: fc.constant("answer"), taskId, owner, key, answer: json }),
    fc.record({ do: fc.constant("acquire"), taskId, owner, slot, leaseMs }),
    fc.record({ do: fc.constant("renew"), slot }),
    fc.record({ do: fc.constant("release"), slot, delayMs: fc.constantFrom(undefined, 0, 300), failures: fc.nat(2) }),
    fc.record({ do: fc.constant("step"), slot, name: key, result: json }),
    fc.record({ do: fc.constant("readSteps"), taskId, owner }),
    fc.record({ do: fc.constant("createOnce"), owner, name, dedupeKey: key, grain: fc.nat(1), ttl }),
    fc.record({ do: fc.constant("claim"), slot, names: fc.uniqueArray(name, { minLength: 1 }), leaseMs }),
    fc.record({ do: fc.constant("enqueue"), taskId, payload: json, maxSize: fc.option(fc.nat(3), { nil: undefined }) }),
    fc.record({ do: fc.constant("dequeue"), taskId }),
    fc.record({ do: fc.constant("dequeueAll"), taskId }),
    fc.record({ do: fc.constant("page"), owner }),
    fc.record({ do: fc.constant("nextPage"), owner }),
    fc.record({ do: fc.constant("read"), taskId, owner }),
    fc.record({ do: fc.constant("sweep"), limit: fc.integer({ min: 1, max: 4 }) }),
    { weight: 3, arbitrary: fc.record({ do: fc.constant("advance"), ms: fc.constantFrom(20, 200, 500, 2000) }) },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 20, maxLength: 80, size: "max" });

/** Takes the same steps in both worlds, and fails at the first difference. */
export async function walk(expected: World, actual: World, taken: readonly Step[]): Promise<void> {
  const walkers = [new Walker(expected), new Walker(actual)] as const;
  try {
    for (const [n, { handle, call }] of taken.entries()) {
      const [right, found] = [await walkers[0].take(handle, call), await walkers[1].take(handle, call)];
      assert.deepStrictEqual(found, right, `Step ${n}, ${JSON.stringify(call)}, brought something else`);
    }
    assert.deepStrictEqual(await walkers[1].everything(), await walkers[0].everything());
  } finally {
    for (const walker of walkers) await walker.end();
  }
}

function pick({ delayMs, failures }: { delayMs?: number | undefined; failures: number }) {
  return delayMs === undefined ? {} : { delayMs, failures };
}

/** The value without ids that stores make of keys, each store others. */
function anonymous(value: unknown): unknown {
  if (typeof value === "string") return value.replace(/[\w-]{43}/, "made of a key");
  if (Array.isArray(value)) return value.map(anonymous);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value).map(([key, each]) => [key, anonymous(each)]);
}

function stepOf({ name, result }: { name: string; result: unknown }) {
  return { name, result };
}

class Walker {
  readonly #world: World;
  readonly #stores: readonly [TaskStore, TaskStore];
  readonly #leases = new Map<number, Lease>();
  #cursor: string | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#stores = [world.open(OPTIONS), world.open(OPTIONS)];
  }

  /** The outcome of the step: a value, or an error's code and message. */
  async take(handle: number, call: Step["call"]): Promise<unknown> {
    // Each step has its own millisecond, so no order is left open.
    this.#world.advance(1);
    try {
      return { value: anonymous(await this.#call(this.#stores[handle === 0 ? 0 : 1], call)) };
    } catch (error) {
      const { code, message, status } = error as Error & { code?: unknown; status?: unknown };
      assert(code !== undefined && code !== "BACKEND_UNAVAILABLE", error as Error);
      return anonymous({ code, message, status });
    }
  }

  async #call(store: TaskStore, call: Step["call"]): Promise<unknown> {
    switch (call.do) {
      case "create": {
        const { taskId, ttl, claimAfterMs, context, name, owner } = call;
        const options = { taskId, ttl, claimAfterMs, context: { context } };
        return store.createTask(options, 1, { method: "tools/call", params: { name } }, owner);
      }
      case "updateStatus":
        return store.updateTaskStatus(call.taskId, call.status as "working", call.statusMessage, call.owner);
      case "updateUnderLease": {
        const { statusMessage, checkpoint } = call;
        return this.#withLease(call.slot, (lease) =>
          store.updateTask(lease.taskId, { statusMessage, checkpoint }, { lease }),
        );
      }
      case "storeResult":
        return store.storeTaskResult(call.taskId, "completed", { result: call.result }, call.owner);
      case "finishUnderLease": {
        const outcome = { status: "failed", error: { code: call.code, message: "broke" } } as const;
        return this.#withLease(call.slot, (lease) => store.finishTask(lease.taskId, outcome, { lease }));
      }
      case "cancel":
        return store.cancelTask(call.taskId, { owner: call.owner });
      case "ask": {
        const requests = Object.fromEntries(call.keys.map((key) => [key, { method: call.method }]));
        return store.requestInputs(call.taskId, requests, { owner: call.owner });
      }
      case "answer":
        return store.provideInputs(call.taskId, Object.fromEntries([[call.key, call.answer]]), { owner: call.owner });
      case "acquire":
        return this.#keep(call.slot, await store.acquireLease(call.taskId, call));
      case "renew":
        return this.#withLease(call.slot, (lease) => store.renewLease(lease));
      case "release":
        return this.#withLease(call.slot, (lease) => store.releaseLease(lease, pick(call)));
      case "step":
        return this.#withLease(call.slot, (lease) => store.updateTask(lease.taskId, { step: stepOf(call) }, { lease }));
      case "readSteps": {
        const { results, failures } = await store.readSteps(call.taskId, { owner: call.owner });
        return { failures, results: [...results].sort() };
      }
      case "createOnce": {
        const { do: _, grain, ...once } = call;
        return store.createTask({ ...once, arguments: { grain } });
      }
      case "claim": {
        const claimed = await store.claimTask(call);
        return claimed && { ...claimed, lease: this.#keep(call.slot, claimed.lease) };
      }
      case "enqueue": {
        const message = { jsonrpc: "2.0", method: "n", params: { payload: call.payload } } as const;
        const queued: QueuedMessage = { type: "notification", message, timestamp: 1 };
        return store.messages.enqueue(call.taskId, queued, undefined, call.maxSize);
      }
      case "dequeue":
        return store.messages.dequeue(call.taskId);
      case "dequeueAll":
        return store.messages.dequeueAll(call.taskId);
      case "page":
        return this.#page(store, undefined, call.owner);
      case "nextPage":
        return this.#page(store, this.#cursor, call.owner);
      case "read":
        return [await store.getTask(call.taskId, call.owner), await store.getTaskResult(call.taskId, call.owner)];
      case "sweep":
        // The number is left out, since expired tasks may be gone before.
        await store.deleteExpired(call);
        return undefined;
      case "advance":
        this.#world.advance(call.ms);
        return undefined;
    }
    return assert.fail("There is no such step");
  }

  /** The lease without its token, which comes from the store's clock. */
  #keep(slot: number, lease: Lease): Omit<Lease, "token"> {
    this.#leases.set(slot, lease);
    const { token: _, ...rest } = lease;
    return rest;
  }

  #withLease(slot: number, write: (lease: Lease) => Promise<unknown>): Promise<unknown> | undefined {
    const lease = this.#leases.get(slot);
    return lease && write(lease);
  }

  /** A page without its cursor, which differs between stores. */
  async #page(store: TaskStore, cursor: string | undefined, owner: string | undefined): Promise<unknown> {
    const { tasks, nextCursor } = await store.listTasks(cursor, owner);
    this.#cursor = nextCursor;
    return { tasks, more: nextCursor !== undefined };
  }

  async everything(): Promise<unknown> {
    const [store] = this.#stores;
    const ids = ["a", "b", "c", "d", "e", "f"];
    return {
      records: await Promise.all(ids.map((id) => store.getRecord(id))),
      messages: await Promise.all(ids.map((id) => store.messages.dequeueAll(id))),
    };
  }

  async end(): Promise<void> {
    for (const store of this.#stores) await store.close();
    await this.#world.destroy();
  }
}
