import assert from "node:assert/strict";
import { type DeliveredEvent, TASK_EVENT_KINDS, type TakenEvent, type TaskEventKind } from "../../contract/events.ts";
import type { ExportedTask } from "../../contract/operations.ts";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { startNotifier } from "../../notifier/start-notifier.ts";
import {
  assertCode,
  createTask,
  endedTask,
  LONG,
  newTask,
  outcomes,
  QUESTION,
  RESULT,
  range,
  refused,
} from "../kit/assertions.ts";
import { type CaseBody, type ConformanceCase, defineCase, type Requirement } from "../kit/case.ts";

const NOTIFIER = "mill";

/** A case about events, of which a backend may keep none. */
function defineEventCase(
  id: string,
  contract: string,
  body: (scene: Parameters<CaseBody>[0], store: TaskStore) => Promise<void>,
  requires: readonly Requirement[] = [],
): ConformanceCase {
  const ifSupported: CaseBody = async (scene) => {
    const store = scene.open();
    try {
      await store.operations.notifiers();
    } catch (error) {
      if ((error as { code?: unknown }).code === "NOT_SUPPORTED") return;
      throw error;
    }
    await body(scene, store);
  };
  return defineCase(id, contract, ifSupported, requires);
}

function register(store: TaskStore, on: readonly TaskEventKind[] = TASK_EVENT_KINDS, name = NOTIFIER): Promise<void> {
  return store.events.register({ name, on });
}

async function take(store: TaskStore, limit = 100, notifier = NOTIFIER, leaseMs = LONG): Promise<TakenEvent[]> {
  const taken = await store.events.take({ notifier, limit, leaseMs });
  assert(taken, "The notifier is not registered");
  return taken;
}

async function deliver(store: TaskStore, taken: readonly TakenEvent[], notifier = NOTIFIER): Promise<void> {
  await store.events.settle(
    notifier,
    taken.map(({ lease }) => ({ lease, outcome: "delivered" })),
  );
}

/** Delivers everything that can be taken, step by step. */
async function deliverAll(store: TaskStore, notifier = NOTIFIER): Promise<DeliveredEvent[]> {
  const events: DeliveredEvent[] = [];
  for (;;) {
    const taken = await take(store, 100, notifier);
    if (taken.length === 0) return events;
    events.push(...taken.map(({ event }) => event));
    await deliver(store, taken, notifier);
    assert(events.length < 10_000, "Events are taken again after they were delivered");
  }
}

const kindsOf = (events: readonly DeliveredEvent[]) => events.map(({ kind }) => kind);

/** The only event that can be taken. */
async function takeOne(store: TaskStore, leaseMs = LONG): Promise<TakenEvent> {
  const taken = await take(store, 100, NOTIFIER, leaseMs);
  assert.equal(taken.length, 1, `${taken.length} events were taken, and not one`);
  return taken[0] as TakenEvent;
}

/** How many events wait, and how many are set aside. */
async function kept(store: TaskStore, name = NOTIFIER): Promise<[waiting: number, setAside: number] | undefined> {
  const found = (await store.operations.notifiers()).find((each) => each.name === name);
  return found && [found.waiting, found.setAside];
}

export const eventCases = [
  defineEventCase(
    "events/kinds",
    "Each visible change of a task has one event, of its kind and with the task's state after it; others have none.",
    async (_, store) => {
      await register(store);
      const before = Date.now();
      const taskId = await newTask(store, {}, "ada");
      const owner: typeof ANY_OWNER = ANY_OWNER;
      const lease = await store.acquireLease(taskId, { leaseMs: LONG, owner });
      await store.renewLease(lease);
      await store.updateTask(taskId, { checkpoint: { at: 1 } }, { lease, owner });
      await store.updateTask(taskId, { statusMessage: 'half "done" é' }, { lease, owner });
      await store.requestInputs(taskId, { fine: QUESTION }, { owner });
      await store.provideInputs(taskId, { fine: { action: "accept" } }, { owner });
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease, owner });
      await refused(store.cancelTask(taskId, { owner }), "TASK_TERMINAL");
      const events = await deliverAll(store);
      assert.deepEqual(kindsOf(events), ["created", "progress", "input_required", "progress", "end"]);
      assert.deepEqual(
        events.map(({ task }) => task.status),
        ["working", "working", "input_required", "working", "completed"],
      );
      assert.deepEqual(
        events.map(({ task }) => task.revision),
        [1, 2, 3, 4, 5],
      );
      assert.equal(new Set(events.map(({ id }) => id)).size, 5, "Two events have the same id");
      const messages = events.map(({ task }) => task.statusMessage);
      assert.deepEqual(messages, [undefined, ...range(4).map(() => 'half "done" é')]);
      for (const { attempt, at, task, ...rest } of events) {
        assert.deepEqual([attempt, task.taskId, task.name, task.owner], [1, taskId, "grind", "ada"]);
        assert.deepEqual(Object.keys(rest).toSorted(), ["id", "kind"]);
        assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert(Date.parse(at) > before - LONG, "The event is older than its task");
      }
      const record = await store.getTask(taskId, { owner });
      assert.equal(events.at(-1)?.at, record?.lastUpdatedAt);
      const unowned = await endedTask(store, "cancelled");
      const [first] = await deliverAll(store);
      assert.equal(first?.task.taskId, unowned);
      assert(!("owner" in (first?.task ?? {})), "A task without owner has one in its event");
    },
  ),

  defineEventCase(
    "events/selected-kinds",
    "A notifier gets events of the kinds that it asked for last, and of no others.",
    async (scene, store) => {
      await register(store, ["end"]);
      const failed = await endedTask(store, "failed");
      const taskId = await newTask(scene.open());
      await register(store, ["input_required", "created", "input_required"]);
      await store.requestInputs(taskId, { fine: QUESTION });
      await store.cancelTask(taskId);
      await newTask(store);
      const events = await deliverAll(store);
      assert.deepEqual(kindsOf(events).toSorted(), ["created", "end", "input_required"]);
      assert.equal(events.find(({ kind }) => kind === "end")?.task.taskId, failed);
      assert.deepEqual((await store.operations.notifiers())[0]?.on, ["created", "input_required"]);
    },
  ),

  defineEventCase(
    "events/from-registration",
    "Changes made before a notifier was registered have no event; each later one has, made by any handle.",
    async (scene, store) => {
      const other = scene.open();
      const before = await newTask(other);
      await refused(store.events.register({ name: "", on: ["end"] }), "INVALID_ARGUMENT");
      await refused(store.events.register({ name: NOTIFIER, on: [] }), "INVALID_ARGUMENT");
      assert.equal(await store.events.take({ notifier: NOTIFIER, limit: 1, leaseMs: LONG }), null);
      await Promise.all([register(store), register(other), register(scene.open())]);
      const handles = [store, other, scene.open()];
      const tasks = await Promise.all(range(21).map((index) => newTask(handles[index % 3] as TaskStore)));
      await other.cancelTask(before);
      const events = await deliverAll(scene.open());
      assert.deepEqual(kindsOf(events.filter(({ task }) => task.taskId === before)), ["end"]);
      const created = events.filter(({ kind }) => kind === "created").map(({ task }) => task.taskId);
      assert.deepEqual(created.toSorted(), tasks.toSorted());
    },
  ),

  defineEventCase(
    "events/order",
    "Of each task only the oldest event is taken, and the next one once that is settled.",
    async (scene, store) => {
      await register(store);
      const tasks = await Promise.all(range(3).map(() => newTask(store)));
      for (const taskId of tasks) {
        await store.updateTask(taskId, { statusMessage: "half-way" });
        await store.storeTaskResult(taskId, "completed", RESULT);
      }
      const revisions = new Map<string, number>();
      for (const step of [1, 2, 3]) {
        const taken = await take(step === 2 ? scene.open() : store);
        assert.equal(taken.length, 3, "Not one event of each task");
        for (const { event } of taken) {
          const { taskId, revision } = event.task;
          assert.equal(revision, (revisions.get(taskId) ?? 0) + 1, "An event came out of order");
          revisions.set(taskId, revision);
        }
        assert.deepEqual(await take(scene.open()), [], "An event came before the one before it was settled");
        await deliver(store, taken);
      }
      assert.deepEqual(await take(store), []);
    },
  ),

  defineEventCase(
    "events/due-first",
    "Events that have waited longest are taken first, and no more than the caller asks for.",
    async (scene, store) => {
      await register(store, ["created"]);
      const tasks: string[] = [];
      for (const _ of range(4)) {
        tasks.push(await newTask(store));
        await scene.advance(5);
      }
      const first = await take(store, 3);
      assert.deepEqual(first.map(({ event }) => event.task.taskId).toSorted(), tasks.slice(0, 3).toSorted());
      assert.equal((await takeOne(store)).event.task.taskId, tasks[3]);
    },
  ),

  defineEventCase(
    "events/one-caller",
    "No event goes to two callers at once, and each is taken by one.",
    async (scene, store) => {
      await register(store, ["end"]);
      const tasks = await Promise.all(range(40).map(() => endedTask(store, "completed")));
      const handles = [store, scene.open(), scene.open()];
      const ids: string[] = [];
      for (let step = 0; ids.length < tasks.length && step < 50; step += 1) {
        const calls = handles.flatMap((handle) => [take(handle, 3), take(handle, 4)]);
        const taken = (await Promise.all(calls)).flat();
        ids.push(...taken.map(({ event }) => event.task.taskId));
      }
      assert.deepEqual(ids.toSorted(), tasks.toSorted());
    },
  ),

  defineEventCase(
    "events/lapsed-lease",
    "An event that is not settled within its lease goes to another caller; the first one then settles nothing.",
    async (scene, store) => {
      const other = scene.open();
      await register(store);
      const taskId = await newTask(store);
      await store.cancelTask(taskId);
      const leaseMs = scene.span(300);
      const lost = await takeOne(store, leaseMs);
      await scene.advance(leaseMs);
      const again = await takeOne(other);
      assert.deepEqual([again.event.id, again.event.attempt], [lost.event.id, 2]);
      await deliver(store, [lost]);
      await store.events.settle(NOTIFIER, [{ lease: lost.lease, outcome: "setAside", error: "late" }]);
      await store.events.settle(NOTIFIER, [{ lease: lost.lease, outcome: "givenBack" }]);
      assert.deepEqual(await kept(store), [2, 0]);
      assert.deepEqual(await take(store), []);
      await deliver(other, [again]);
      const end = await takeOne(store, leaseMs);
      assert.equal(end.event.kind, "end");
      // A lapsed lease counts while no other caller has taken the event.
      await scene.advance(leaseMs);
      await deliver(store, [end]);
      assert.deepEqual(await take(other), []);
    },
  ),

  defineEventCase(
    "events/failed",
    "A failed event is taken again after its wait, with its id and one more attempt; later ones of its task wait.",
    async (scene, store) => {
      await register(store);
      const taskId = await newTask(store);
      const failed = await takeOne(store);
      await store.cancelTask(taskId);
      const fail = ({ lease }: TakenEvent, retryMs: number) =>
        store.events.settle(NOTIFIER, [{ lease, outcome: "failed", error: "no\0pe", retryMs }]);
      await fail(failed, LONG);
      // Said again, it changes nothing.
      await deliver(store, [failed]);
      const other = await newTask(store);
      const another = await takeOne(scene.open());
      assert.equal(another.event.task.taskId, other, "Another task's event waits as well");
      const { events } = await store.operations.listEvents({ notifier: NOTIFIER });
      const found = events.find(({ id }) => id === failed.event.id);
      assert.deepEqual([found?.error, found?.attempt, found?.setAside], ["no pe", 1, false]);
      const retryMs = scene.span(100);
      await fail(another, retryMs);
      await store.cancelTask(other);
      await scene.advance(retryMs);
      const again = await takeOne(store);
      assert.deepEqual([again.event.id, again.event.kind, again.event.attempt], [another.event.id, "created", 2]);
      await deliver(store, [again]);
      assert.deepEqual(kindsOf(await deliverAll(store)), ["end"]);
      assert.deepEqual(await kept(store), [2, 0]);
    },
  ),

  defineEventCase(
    "events/given-back",
    "An event that is given back is taken at once, and the attempt does not count.",
    async (scene, store) => {
      await register(store);
      const taskId = await newTask(store);
      await store.cancelTask(taskId);
      const first = await takeOne(store);
      await store.events.settle(NOTIFIER, [{ lease: first.lease, outcome: "givenBack" }]);
      const again = await takeOne(scene.open());
      assert.deepEqual([again.event.id, again.event.attempt], [first.event.id, 1]);
      await deliver(store, [first]);
      assert.deepEqual(await kept(store), [2, 0]);
      // A delivery that failed may be repeated at once, and counts.
      await store.events.settle(NOTIFIER, [{ lease: again.lease, outcome: "failed", error: "busy", retryMs: 0 }]);
      assert.equal((await takeOne(store)).event.attempt, 2);
    },
  ),

  defineEventCase(
    "events/set-aside",
    "An event that is set aside stays for operators, later ones of its task go on, and it is redelivered on demand.",
    async (scene, store) => {
      await register(store);
      const [taskId, other] = [await newTask(store), await newTask(store)];
      const both = await take(store);
      await store.events.settle(
        NOTIFIER,
        both.map(({ lease }) => ({ lease, outcome: "setAside", error: `${"x".repeat(299)}😀${"x".repeat(700)}` })),
      );
      await store.cancelTask(taskId);
      assert.deepEqual(kindsOf(await deliverAll(store)), ["end"]);
      const asideIn = async (from: TaskStore) => {
        const { events } = await from.operations.listEvents({ notifier: NOTIFIER, setAside: true });
        return events.map(({ task }) => task.taskId).toSorted();
      };
      assert.deepEqual(await asideIn(scene.open()), [taskId, other].toSorted());
      assert.deepEqual(await kept(store), [0, 2]);
      const { events } = await store.operations.listEvents({ notifier: NOTIFIER });
      const [one] = events.filter(({ task }) => task.taskId === taskId);
      assert(one?.setAside && one.error?.startsWith("xxx") && one.error.length <= 300);
      assert(one.error?.isWellFormed(), "The error ends with half a character");
      const { operations } = scene.open();
      assert.equal(await operations.redeliverEvents({ notifier: NOTIFIER, ids: [one.id, "none"] }), 1);
      const again = await takeOne(store);
      assert.deepEqual([again.event.id, again.event.attempt], [one.id, 1]);
      await deliver(store, [again]);
      assert.deepEqual(await asideIn(store), [other]);
      assert.equal(await operations.redeliverEvents({ notifier: NOTIFIER, all: true }), 1);
      assert.equal(await operations.redeliverEvents({ notifier: NOTIFIER, all: true }), 0);
      assert.deepEqual(kindsOf(await deliverAll(store)), ["created"]);
      assert.deepEqual(await kept(store), [0, 0]);
      await refused(operations.redeliverEvents({ notifier: NOTIFIER }), "INVALID_ARGUMENT");
    },
  ),

  defineEventCase(
    "events/redelivered-beside-later-ones",
    "An event that is redelivered while later ones of its task wait or are delivered loses none of them.",
    async (_, store) => {
      await register(store);
      const taskId = await newTask(store);
      const first = await takeOne(store);
      await store.events.settle(NOTIFIER, [{ lease: first.lease, outcome: "setAside", error: "no" }]);
      await store.updateTask(taskId, { statusMessage: "half-way" });
      await store.cancelTask(taskId);
      const second = await takeOne(store);
      await store.operations.redeliverEvents({ notifier: NOTIFIER, all: true });
      await deliver(store, [second]);
      const left = await deliverAll(store);
      assert.deepEqual(kindsOf(left).toSorted(), ["created", "end"]);
      assert.deepEqual(await kept(store), [0, 0]);
    },
  ),

  defineEventCase(
    "events/in-order-after-redelivery",
    "Events of a task that wait while an earlier one is redelivered come in their order, and all of them.",
    async (_, store) => {
      await register(store);
      const taskId = await newTask(store);
      await store.updateTask(taskId, { statusMessage: "half-way" });
      await store.cancelTask(taskId);
      const first = await takeOne(store);
      await store.events.settle(NOTIFIER, [{ lease: first.lease, outcome: "setAside", error: "no" }]);
      await store.operations.redeliverEvents({ notifier: NOTIFIER, all: true });
      const kinds = kindsOf(await deliverAll(store));
      assert.deepEqual(
        kinds.filter((kind) => kind !== "created"),
        ["progress", "end"],
      );
      assert.equal(kinds.length, 3);
    },
  ),

  defineEventCase(
    "events/oldest",
    "Operators see when the oldest event that waits came to be; events that are set aside do not wait.",
    async (scene, store) => {
      const oldest = async () => (await store.operations.notifiers())[0]?.oldestAt;
      await register(store);
      assert.equal(await oldest(), undefined);
      const first = await createTask(store);
      await scene.advance(20);
      await createTask(store);
      await scene.advance(20);
      const third = await createTask(store);
      assert.equal(await oldest(), first.createdAt);
      const [one, two, three] = await take(store);
      assert(one && two && three);
      // Events under a lease wait as well.
      assert.equal(await oldest(), first.createdAt);
      await store.events.settle(NOTIFIER, [
        { lease: one.lease, outcome: "setAside", error: "Gone" },
        { lease: two.lease, outcome: "delivered" },
      ]);
      assert.equal(await oldest(), third.createdAt);
      await deliver(store, [three]);
      assert.equal(await oldest(), undefined);
      assert.deepEqual(await kept(store), [0, 1]);
    },
  ),

  defineEventCase(
    "events/pages",
    "Operators see all kept events page by page, the oldest first; a cursor opens no other list.",
    async (_, store) => {
      await register(store, ["created"]);
      await register(store, ["created"], "other");
      for (const _step of range(7)) await newTask(store);
      const seqs: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.operations.listEvents({ notifier: NOTIFIER, limit: 3, cursor });
        seqs.push(...page.events.map(({ id }) => id));
        cursor = page.nextCursor;
        assert(page.events.length <= 3 && seqs.length <= 7);
        if (cursor === undefined) continue;
        const elsewhere = { notifier: "other", limit: 3, cursor };
        await refused(store.operations.listEvents(elsewhere), "INVALID_CURSOR");
        await refused(
          store.operations.listEvents({ ...elsewhere, notifier: NOTIFIER, setAside: true }),
          "INVALID_CURSOR",
        );
      } while (cursor !== undefined);
      assert.equal(new Set(seqs).size, 7);
      const { events } = await store.operations.listEvents({ notifier: "unknown" });
      assert.deepEqual(events, []);
    },
  ),

  defineEventCase(
    "events/notifiers-apart",
    "Each notifier has events of its own: what one delivers, sets aside or redelivers is not another's.",
    async (scene, store) => {
      await register(store, ["end"]);
      await register(scene.open(), ["created", "end"], "other");
      const taskId = await endedTask(store, "completed");
      const mine = await takeOne(store);
      const [theirs] = await take(store, 100, "other");
      assert(theirs && theirs.event.id !== mine.event.id);
      // The lease of one is not a lease of the other.
      await deliver(store, [theirs]);
      await deliver(store, [mine], "other");
      assert.deepEqual(
        [await kept(store), await kept(store, "other")],
        [
          [1, 0],
          [2, 0],
        ],
      );
      await store.events.settle(NOTIFIER, [{ lease: mine.lease, outcome: "setAside", error: "no" }]);
      assert.equal(await store.operations.redeliverEvents({ notifier: "other", all: true }), 0);
      await deliver(store, [theirs], "other");
      assert.deepEqual(kindsOf(await deliverAll(store, "other")), ["end"]);
      const { events } = await store.operations.listEvents({ notifier: NOTIFIER });
      assert.deepEqual(
        events.map(({ task }) => task.taskId),
        [taskId],
      );
    },
  ),

  defineEventCase(
    "events/removed-notifier",
    "A removed notifier keeps nothing, its events and leases are gone, and it begins anew when it is registered again.",
    async (scene, store) => {
      await register(store);
      await register(store, ["created"], "other");
      const taskId = await newTask(store);
      await newTask(store);
      const [taken] = await take(store, 1);
      assert(taken);
      assert.equal(await scene.open().operations.removeNotifier(NOTIFIER), true);
      assert.equal(await store.operations.removeNotifier(NOTIFIER), false);
      assert.equal(await store.events.take({ notifier: NOTIFIER, limit: 1, leaseMs: LONG }), null);
      await store.cancelTask(taskId);
      assert.deepEqual([await kept(store), await kept(store, "other")], [undefined, [2, 0]]);
      const { events } = await store.operations.listEvents({ notifier: NOTIFIER });
      assert.deepEqual(events, []);
      await register(store);
      const later = await newTask(store);
      await store.events.settle(NOTIFIER, [{ lease: taken.lease, outcome: "delivered" }]);
      assert.equal((await takeOne(store)).event.task.taskId, later);
      // Without any notifier, and with one again.
      for (const name of [NOTIFIER, "other"]) await store.operations.removeNotifier(name);
      assert.deepEqual(await store.operations.notifiers(), []);
      await newTask(store);
      await register(store);
      const last = await newTask(scene.open());
      assert.equal((await takeOne(store)).event.task.taskId, last);
    },
  ),

  defineEventCase(
    "events/outlive-the-task",
    "Events outlive their task, whether it expired or was removed, and a new task of its id adds its own.",
    async (scene, store) => {
      await register(store);
      const ttl = scene.span(400);
      const brief = await newTask(store, { taskId: "again", ttl });
      const ended = await endedTask(store, "completed");
      await store.operations.removeTasks({ id: ended }).catch(() => undefined);
      await scene.advance(ttl);
      await store.deleteExpired();
      await newTask(store, { taskId: brief });
      const events = await deliverAll(store);
      const kinds = (taskId: string) => kindsOf(events.filter(({ task }) => task.taskId === taskId));
      assert.deepEqual(
        [kinds(brief), kinds(ended)],
        [
          ["created", "created"],
          ["created", "end"],
        ],
      );
      // Expired, and not deleted.
      await newTask(store, { taskId: "unswept", ttl });
      await scene.advance(ttl);
      await newTask(store, { taskId: "unswept" });
      assert.deepEqual(kindsOf(await deliverAll(store)), ["created", "created"]);
    },
  ),

  defineEventCase(
    "events/imported",
    "An imported task is new to the store, whatever its status; one that was there already has no event.",
    async (scene, store) => {
      const taskId = await endedTask(store, "completed");
      const tasks: ExportedTask[] = [];
      for await (const task of store.operations.exportTasks()) tasks.push(task);
      const there = (await scene.elsewhere()).open();
      await register(there);
      try {
        await there.operations.importTasks(tasks);
      } catch (error) {
        if ((error as { code?: unknown }).code === "NOT_SUPPORTED") return;
        throw error;
      }
      await there.operations.importTasks(tasks);
      const events = await deliverAll(there);
      assert.deepEqual(
        events.map(({ kind, task }) => [kind, task.taskId, task.status, task.revision]),
        [["created", taskId, "completed", 2]],
      );
    },
  ),

  defineEventCase(
    "events/one-per-change",
    "Of writes that race, each that succeeds has one event, and each that is refused has none.",
    async (scene, store) => {
      await register(store);
      const taskId = await newTask(store);
      const handles = [store, scene.open(), scene.open()];
      const writes = handles.flatMap((handle) => [
        handle.updateTask(taskId, { statusMessage: "busy" }),
        handle.storeTaskResult(taskId, "completed", RESULT),
        handle.createTask({ taskId, ttl: LONG }, 1, { method: "tools/call", params: { name: "grind" } }),
        handle.cancelTask(taskId),
      ]);
      const done = (await outcomes(writes)).filter(({ error }) => !error).length;
      const events = await deliverAll(store);
      assert.deepEqual(
        events.map(({ task }) => task.revision),
        range(done + 1).map((index) => index + 1),
      );
      assert.deepEqual([events.at(0)?.kind, events.at(-1)?.kind], ["created", "end"]);
      const ends = events.filter(({ kind }) => kind === "end").length;
      assert.equal(ends, 1);
    },
  ),

  defineEventCase(
    "events/notifier",
    "`startNotifier` delivers changes of any handle soon, retries what fails, and sets it aside after its limit.",
    async (scene, store) => {
      const other = scene.open();
      const delivered: DeliveredEvent[] = [];
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const { promise: aside, resolve: setAside } = Promise.withResolvers<DeliveredEvent>();
      const notifier = startNotifier(store, {
        name: NOTIFIER,
        on: TASK_EVENT_KINDS,
        limit: 2,
        backoff: { delayMs: 1 },
        pollMs: 5,
        onError: (error, failed) => {
          assert.equal((error as Error).message, "Not this one");
          if (failed?.setAside) setAside(failed.event);
        },
        deliver: async (event) => {
          delivered.push(event);
          if (event.task.statusMessage === "fail") throw new Error("Not this one");
          if (event.kind === "end") end();
        },
      });
      try {
        await scene.soon(notifier.registered());
        const taskId = await newTask(other);
        await other.updateTask(taskId, { statusMessage: "fail" });
        await other.updateTask(taskId, { statusMessage: "fine" });
        await other.cancelTask(taskId);
        await scene.soon(ended, "The delivery of the last event");
        assert.equal((await scene.soon(aside)).attempt, 2);
        assert.deepEqual(
          delivered.map(({ task }) => task.revision),
          [1, 2, 2, 3, 4],
        );
      } finally {
        await scene.soon(notifier.stop());
      }
      assert.deepEqual(await kept(other), [0, 1]);
    },
  ),

  defineEventCase(
    "events/processes",
    "Changes of another process have their events, and no event goes to two processes at once.",
    async (scene, store) => {
      const remote = await scene.start();
      await register(store, ["end"]);
      const tasks: string[] = [];
      for (const index of range(20)) {
        const taskId = await newTask(store);
        if (index % 2) await store.cancelTask(taskId);
        else await remote.call("cancelTask", taskId);
        tasks.push(taskId);
      }
      const ids: string[] = [];
      const query = { notifier: NOTIFIER, limit: 3, leaseMs: LONG };
      for (let step = 0; ids.length < tasks.length && step < 50; step += 1) {
        const taken = await Promise.all([store.events.take(query), remote.call("events.take", query)]);
        for (const each of taken) {
          assert(each, "A process does not know the notifier");
          ids.push(...each.map(({ event }) => event.task.taskId));
        }
      }
      assert.deepEqual(ids.toSorted(), tasks.toSorted());
    },
    ["multiProcess"],
  ),

  defineEventCase(
    "events/watch",
    "The listener of `watch` is called soon after a change of its kinds by another handle, and not once it ended.",
    async (scene) => {
      const errors: unknown[] = [];
      const store = scene.open({ onError: (error) => errors.push(error) });
      const taskId = await newTask(store);
      const called: string[] = [];
      const first = Promise.withResolvers<void>();
      const end = await store.events.watch(["end"], () => {
        called.push("first");
        first.resolve();
      });
      const created = Promise.withResolvers<void>();
      const endOther = await store.events.watch(["created"], () => created.resolve());
      const other = scene.open();
      await newTask(other);
      await scene.soon(created.promise, "The call of the listener for new tasks");
      await other.cancelTask(taskId);
      await scene.soon(first.promise, "The call of the listener for ends");
      end();
      endOther();
      const calls = called.length;
      const second = Promise.withResolvers<void>();
      const endBroken = await store.events.watch(["end"], () => {
        throw new Error("The listener is broken");
      });
      const endSecond = await store.events.watch(["end"], second.resolve);
      await other.cancelTask(await newTask(other));
      await scene.soon(second.promise, "The call of another listener");
      assert.equal(called.length, calls, "A listener was called after its end");
      assert(errors.length > 0, "onError did not get the error of a listener");
      assertCode(errors[0], "INVALID_ARGUMENT");
      endBroken();
      endSecond();
    },
  ),

  defineEventCase(
    "events/durable",
    "Registrations and events outlive every handle.",
    async (scene, store) => {
      await register(store);
      const taskId = await newTask(store);
      await take(store, 1, NOTIFIER, scene.span(50));
      await scene.closeAll();
      const later = scene.open();
      await later.cancelTask(taskId);
      await scene.advance(scene.span(50));
      assert.deepEqual(kindsOf(await deliverAll(later)), ["created", "end"]);
    },
    ["durable"],
  ),
];
