import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import {
  type Answer,
  DurableTaskStore,
  type EventBackend,
  type OnChange,
  type TaskBackend,
} from "@mcp-task-store/core/backend";
import type { Harness } from "@mcp-task-store/core/conformance";
import { MutableBackend, type Mutant, override } from "./mutant.ts";

/** A folder in memory if there is one, since these tests need no disk. */
const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** The example's store, changed by the mutant. */
export function openStore(
  mutant: Mutant | undefined,
  file: string,
  options: TaskStoreOptions = {},
  now: () => number = Date.now,
  reach: (backend: TaskBackend) => TaskBackend = (backend) => backend,
): TaskStore {
  const Backend = mutant?.backend ?? MutableBackend;
  const store = new DurableTaskStore(
    reach(new Backend(file, now, mutant?.events)),
    mutant?.options?.(options) ?? options,
  );
  if (!mutant?.store) return store;
  const twins: TaskStore[] = [];
  const twin = (other: TaskStoreOptions) => {
    const opened = openStore(undefined, file, other, now, reach);
    twins.push(opened);
    return opened;
  };
  const methods = mutant.store(store, { options, file, twin });
  const close = async () => {
    if (methods.close) return methods.close();
    await store.close();
    for (const each of twins) await each.close();
  };
  return override(store, { ...methods, close, [Symbol.asyncDispose]: close });
}

/** The example, or a mutant of it, with outages on demand. */
export function makeHarness(mutant?: Mutant, patienceMs?: number): Harness {
  const shared = mutant?.sharedFile ? mkdtemp(join(parent, "tasks-")) : undefined;
  return {
    name: mutant ? `node:sqlite, ${mutant.id}` : "node:sqlite",
    capabilities: { durable: true, multiProcess: true, outage: true, ...mutant?.capabilities },
    patienceMs,
    async isolate() {
      const folder = await (shared ?? mkdtemp(join(parent, "tasks-")));
      const file = join(folder, "tasks.db");
      let ahead = 0;
      let down = false;
      let outages = 0;
      const reach = (backend: TaskBackend) =>
        unreachable(
          backend,
          () => down,
          () => outages,
        );
      return {
        open: (options) => openStore(mutant, file, options, () => Date.now() + ahead, reach),
        async advance(ms) {
          ahead += ms;
        },
        remote: {
          module: new URL("./remote.ts", import.meta.url).href,
          argument: { mutant: mutant?.id, file },
        },
        outage: {
          async begin() {
            down = true;
            outages += 1;
          },
          async end() {
            down = false;
          },
        },
        destroy: () => (shared ? Promise.resolve() : rm(folder, { recursive: true })),
      };
    },
  };
}

/**
 * During an outage every call fails and no signal arrives. The first signal after it does not say
 * which task has changed, as that of a connection that was made anew.
 */
function unreachable(backend: TaskBackend, isDown: () => boolean, outages: () => number): TaskBackend {
  const guarded = <Args extends unknown[], T>(call: (...args: Args) => Answer<T>) => {
    return async (...args: Args) => {
      if (isDown()) throw new Error("connect ECONNREFUSED 10.0.0.7:5432");
      return call(...args);
    };
  };
  const listening = (listen: TaskBackend["listen"]) =>
    guarded((onChange: OnChange) => {
      let heardOf = outages();
      return listen((...signal) => {
        if (isDown()) return;
        if (heardOf === outages()) return onChange(...signal);
        heardOf = outages();
        onChange();
      });
    });
  return {
    capabilities: backend.capabilities,
    open: guarded((...args) => backend.open(...args)),
    insert: guarded((...args) => backend.insert(...args)),
    read: guarded((...args) => backend.read(...args)),
    readMany: guarded((...args) => backend.readMany(...args)),
    update: guarded((...args) => backend.update(...args)),
    list: guarded((...args) => backend.list(...args)),
    claim: guarded((...args) => backend.claim(...args)),
    deleteExpired: guarded((...args) => backend.deleteExpired(...args)),
    push: guarded((...args) => backend.push(...args)),
    shift: guarded((...args) => backend.shift(...args)),
    listen: listening((onChange) => backend.listen(onChange)),
    ...(backend.listenForClaims && { listenForClaims: listening(backend.listenForClaims.bind(backend)) }),
    ...(backend.claimLimited && { claimLimited: guarded(backend.claimLimited.bind(backend)) }),
    ...(backend.search && { search: guarded(backend.search.bind(backend)) }),
    ...(backend.remove && { remove: guarded(backend.remove.bind(backend)) }),
    ...(backend.restore && { restore: guarded(backend.restore.bind(backend)) }),
    ...(backend.messagesOf && { messagesOf: guarded(backend.messagesOf.bind(backend)) }),
    ...(backend.stepsOf && { stepsOf: guarded(backend.stepsOf.bind(backend)) }),
    ...(backend.rewrite && { rewrite: guarded(backend.rewrite.bind(backend)) }),
    ...(backend.settled && { settled: guarded(backend.settled.bind(backend)) }),
    ...(backend.events && { events: eventsOf(backend.events, guarded) }),
    ...(backend.pauses && { pauses: guarded(backend.pauses.bind(backend)) }),
    close: () => backend.close(),
  };
}

function eventsOf(
  events: EventBackend,
  guarded: <Args extends unknown[], T>(call: (...args: Args) => Answer<T>) => (...args: Args) => Promise<T>,
): EventBackend {
  return {
    register: guarded((...args) => events.register(...args)),
    unregister: guarded((...args) => events.unregister(...args)),
    registered: guarded(() => events.registered()),
    take: guarded((...args) => events.take(...args)),
    settle: guarded((...args) => events.settle(...args)),
    list: guarded((...args) => events.list(...args)),
    redeliver: guarded((...args) => events.redeliver(...args)),
  };
}
