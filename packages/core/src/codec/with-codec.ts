import { type Answer, isLater } from "../backend/answer.ts";
import { matchesFilter } from "../backend/search.ts";
import type { SearchPage, SearchQuery } from "../backend/search-query.ts";
import { PAYLOAD_FIELDS, type StoredTask } from "../backend/stored-task.ts";
import type {
  Guard,
  InsertOutcome,
  NewTask,
  OwnerScope,
  Patch,
  TaskBackend,
  UpdateOutcome,
} from "../backend/task-backend.ts";
import { isTaskStoreError } from "../contract/errors.ts";
import type { Codec } from "./codec.ts";
import { CodedTasks } from "./coded-tasks.ts";
import { InOrder } from "./in-order.ts";
import { Outside, textsOf } from "./outside.ts";
import { Owners } from "./owners.ts";
import { stagedNotes } from "./staged-notes.ts";

/** How long no claim takes a task whose payloads were out of reach, in milliseconds. */
const GIVEN_BACK_MS = 1000;
/** In place of a task's id, for creations: lists have them in the order of the calls. */
const CREATIONS = "";
/** Fewest tasks that a search among payloads reads at once. */
const SEARCH_STEP = 100;

/**
 * The backend with a codec between it and core: it keeps payloads as the codec changes them, and
 * core sees them as they were. It has those optional methods that the backend has.
 */
export function withCodec(backend: TaskBackend, codec: Codec): TaskBackend {
  const coded = new CodedTasks(codec, async (taskId, field) => (await backend.readMany([taskId], [field]))[0]?.[field]);
  const owners = new Owners();
  const see: Owners["see"] = codec.needsOwner ? (...tasks) => owners.see(...tasks) : () => undefined;
  const inOrder = new InOrder();
  let report: (error: unknown) => void = () => undefined;
  let closed = false;
  const outside = new Outside(backend, codec, (error) => report(error));

  async function insert(task: NewTask, caps: Parameters<TaskBackend["insert"]>[1]): Promise<InsertOutcome> {
    const ready = await inOrder.prepared(CREATIONS, () => coded.newTask(task));
    const outcome = await outside.writing(
      task.taskId,
      { request: ready.request },
      () => backend.insert(ready, caps),
      (made) => "inserted" in made,
    );
    if ("inserted" in outcome) see(task);
    return outcome;
  }

  function decodedOutcome(outcome: UpdateOutcome): Answer<UpdateOutcome> {
    see(outcome.task);
    const task = coded.task(outcome.task, []);
    return isLater(task) ? task.then((read) => ({ ...outcome, task: read })) : outcome;
  }

  function update(taskId: string, guard: Guard, patch: Patch): Answer<UpdateOutcome> {
    // A heartbeat does not wait for a payload that takes its time, or the lease would lapse.
    const waits = inOrder.isBusy(taskId) && patch.lease?.action !== "renew";
    if (coded.patches(patch) || waits) return updateCoded(taskId, guard, patch);
    const outcome = backend.update(taskId, guard, patch);
    return isLater(outcome) ? outcome.then(decodedOutcome) : decodedOutcome(outcome);
  }

  async function updateCoded(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const ready = await inOrder.prepared(taskId, () => prepared(taskId, guard, patch));
    if (!ready) return { applied: false, task: undefined };
    const outcome = await outside.writing(
      taskId,
      textsOf(ready.patch),
      () => backend.update(taskId, ready.guard, ready.patch),
      ({ applied }) => applied,
    );
    // A task that is gone, or its id was given to a task of another owner.
    if (!outcome.task && owners.forget(taskId)) return updateCoded(taskId, guard, patch);
    const { statusMessage } = patch;
    // What was just encoded need not be decoded.
    const known = statusMessage !== undefined && outcome.task?.statusMessage === ready.patch.statusMessage;
    return decodedOutcome(
      known ? ({ ...outcome, task: { ...outcome.task, statusMessage } } as UpdateOutcome) : outcome,
    );
  }

  /** The write with its payloads encoded; `undefined` if there is no such task. */
  async function prepared(
    taskId: string,
    guard: Guard,
    patch: Patch,
  ): Promise<{ guard: Guard; patch: Patch } | undefined> {
    if (!codec.needsOwner || !coded.patches(patch))
      return { guard, patch: await encoded(patch, { taskId, owner: null }) };
    const owner = await owners.of(backend, taskId, guard.scope);
    if (owner === undefined) return undefined;
    const scope = { owner, orUnowned: false };
    return { guard: { ...guard, scope }, patch: await encoded(patch, { taskId, owner }) };
  }

  async function encoded(patch: Patch, whose: { taskId: string; owner: string | null }): Promise<Patch> {
    try {
      return await coded.patch(patch, whose);
    } catch (error) {
      // A task can be cancelled even if the key of its owner was forgotten.
      if (patch.status !== "cancelled" || !isTaskStoreError(error, "PAYLOAD_UNREADABLE")) throw error;
      const { statusMessage: _, ...rest } = patch;
      return coded.patch(rest, whose);
    }
  }

  async function push(...[taskId, message, maxSize, ttl]: Parameters<TaskBackend["push"]>) {
    const owner = codec.needsOwner ? await owners.of(backend, taskId, null) : null;
    return backend.push(taskId, await coded.message(message, { taskId, owner: owner ?? null }), maxSize, ttl);
  }

  /** A message that cannot be decoded now stays in its queue: it is decoded before it is taken. */
  async function shift(taskId: string, limit: number | null): Promise<string[]> {
    const known = new Map<string, string>();
    if (messagesOf) {
      const found = (await messagesOf.call(backend, [taskId])).slice(0, limit ?? undefined);
      const texts = await coded.messages(
        taskId,
        found.map(({ message }) => message),
      );
      for (const [index, { message }] of found.entries()) known.set(message, texts[index] as string);
    }
    const taken = await backend.shift(taskId, limit);
    return Promise.all(
      taken.map(async (message) => known.get(message) ?? ((await coded.messages(taskId, [message]))[0] as string)),
    );
  }

  /** The texts in a filter are those of the JSON, so core's own check has to find them. */
  async function searchAmongPayloads(
    search: NonNullable<TaskBackend["search"]>,
    query: SearchQuery,
  ): Promise<SearchPage> {
    const { texts, ...filter } = query.filter;
    if (!texts) return decodedPage(await search(query), query);
    const payloads = [...new Set([...query.payloads, ...texts.map(({ field }) => field)])];
    const wide = { ...query, filter, payloads, limit: Math.max(query.limit, SEARCH_STEP) };
    const page = await decodedPage(await search(wide), wide);
    const found = page.tasks.filter((task) => matchesFilter(task, query.filter));
    const tasks = found.slice(0, query.limit);
    return found.length > tasks.length ? { ...page, tasks, next: tasks.at(-1)?.position ?? null } : { ...page, tasks };
  }

  async function decodedPage(page: SearchPage, { payloads }: SearchQuery): Promise<SearchPage> {
    see(...page.tasks);
    return { ...page, tasks: await coded.tasks(page.tasks, payloads) };
  }

  /** Tasks that were claimed. If their payloads are out of reach now, they are given back. */
  async function claimed(tasks: readonly StoredTask[]): Promise<StoredTask[]> {
    see(...tasks);
    outside.see(...tasks);
    try {
      return [...(await coded.tasks(tasks, PAYLOAD_FIELDS))];
    } catch (error) {
      const release = { lease: { action: "release", leaseMs: GIVEN_BACK_MS } } as const;
      await Promise.allSettled(
        tasks.map(({ taskId, leaseToken }) => backend.update(taskId, { scope: null, leaseToken }, release)),
      );
      throw error;
    }
  }

  async function deleteExpired(limit: number) {
    const step = await backend.deleteExpired(limit);
    if (step.more) return step;
    for (const stage of codec.stages) {
      try {
        await stage.sweep?.({ storeId: codec.storeId, notes: (ids) => stagedNotes(backend, stage.id, ids) });
      } catch (error) {
        report(error);
      }
    }
    return step;
  }

  const { search, claimLimited, stepsOf, messagesOf, remove, restore, events } = backend;
  return {
    capabilities: backend.capabilities,
    async open(host) {
      const opened = await backend.open(host);
      codec.storeId = opened.storeId;
      report = (error) => {
        // A sweep that is interrupted by the end of the store has not failed.
        if (!closed) host.report(error);
      };
      return opened;
    },
    insert,
    read(taskId: string, scope: OwnerScope, payloads) {
      const found = backend.read(taskId, scope, payloads);
      const read = (task: Awaited<typeof found>) => {
        see(task);
        outside.see(task);
        return coded.task(task, payloads);
      };
      return isLater(found) ? found.then(read) : read(found);
    },
    async readMany(taskIds, payloads) {
      const tasks = await backend.readMany(taskIds, payloads);
      see(...tasks);
      return coded.tasks(tasks, payloads);
    },
    update,
    list: async (query) => coded.tasks(await backend.list(query), []),
    claim: async (query) => claimed(await backend.claim(query)),
    ...(claimLimited && {
      claimLimited: async (query) => claimed(await claimLimited.call(backend, query)),
    }),
    deleteExpired,
    push,
    shift,
    listen: (onChange) => backend.listen(onChange),
    ...(backend.listenForClaims && { listenForClaims: backend.listenForClaims.bind(backend) }),
    ...(search && { search: (query) => searchAmongPayloads(search.bind(backend), query) }),
    ...(remove && { remove: (taskIds) => outside.removing(taskIds, () => remove.call(backend, taskIds)) }),
    ...(backend.pauses && { pauses: backend.pauses.bind(backend) }),
    ...(restore && {
      async restore(tasks) {
        const ready = await Promise.all(tasks.map((task) => coded.restored(task)));
        const restored = new Set(await restore.call(backend, ready));
        for (const task of ready) if (!restored.has(task.taskId)) outside.refused(task.taskId, textsOf(task));
        return [...restored];
      },
    }),
    ...(messagesOf && {
      async messagesOf(taskIds) {
        const found = await messagesOf.call(backend, taskIds);
        return Promise.all(
          found.map(async (each) => {
            const [message] = await coded.messages(each.taskId, [each.message]);
            return { ...each, message: message as string };
          }),
        );
      },
    }),
    ...(stepsOf && { stepsOf: async (taskIds) => coded.steps(await stepsOf.call(backend, taskIds)) }),
    ...(backend.settled && { settled: backend.settled.bind(backend) }),
    ...(events && {
      events: {
        register: events.register.bind(events),
        unregister: events.unregister.bind(events),
        registered: events.registered.bind(events),
        async take(...call) {
          const taken = await events.take(...call);
          return taken && coded.events(taken);
        },
        settle: events.settle.bind(events),
        list: async (...call) => coded.events(await events.list(...call)),
        redeliver: events.redeliver.bind(events),
      },
    }),
    async close() {
      await outside.settled();
      closed = true;
      await backend.close();
    },
  };
}

/** The task for an insert that does not go through `withCodec`. */
export function encodedTask(codec: Codec, task: NewTask): Promise<NewTask> {
  return new CodedTasks(codec).newTask(task);
}
