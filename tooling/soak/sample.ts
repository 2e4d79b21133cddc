import { type EventEmitter, getEventListeners } from "node:events";
import { readdirSync } from "node:fs";
import type { Server } from "node:http";
import { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { queryObjects } from "node:v8";
import type { TaskStore } from "@mcp-task-store/core";

/** What the watched process has counted since its start. */
export interface Counted {
  /** Failures that no call could reject with. A database that is away makes them. */
  errors: number;
  /** Events that the notifier delivered. */
  delivered: number;
}

/** What the watched process holds, after a garbage collection. */
export interface Sample {
  /** In bytes. */
  readonly memory: Readonly<Record<"heapUsed" | "rss" | "external" | "arrayBuffers", number>>;
  /** Counts that must not be larger at the end than at the start. */
  readonly held: Readonly<Record<string, number>>;
  readonly tasks: { readonly active: number; readonly kept: number; readonly undelivered: number };
  readonly counted: Counted;
}

/** The listeners of a signal that outlives every wait that it could end. */
export const SHARED_SIGNAL = "listeners of a shared signal";

/** Objects that are part of what a library forgets to release. */
const CLASSES: Readonly<Record<string, new (...args: never[]) => object>> = {
  AbortSignal: AbortSignal as never,
  Socket,
  Promise: Promise as never,
  Timeout: timeoutClass() as never,
};

function timeoutClass(): unknown {
  const timer = setTimeout(() => undefined, 0);
  clearTimeout(timer);
  return timer.constructor;
}

export async function takeSample(
  store: TaskStore,
  http: Server,
  shared: AbortSignal,
  counted: Counted,
): Promise<Sample> {
  // Finalizers of one collection make garbage for the next.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await setImmediate();
  }
  // The reads below open connections of a pool, so the counts are taken before them.
  const held = { ...handles(), ...descriptors(), ...listeners(http, shared), ...objects() };
  const { heapUsed, rss, external, arrayBuffers } = process.memoryUsage();
  const stats = await store.operations.stats();
  const [notifier] = await store.operations.notifiers();
  const { working, input_required, completed, failed, cancelled } = stats.counts;
  return {
    memory: { heapUsed, rss, external, arrayBuffers },
    held,
    tasks: {
      active: working + input_required,
      kept: working + input_required + completed + failed + cancelled,
      undelivered: notifier?.waiting ?? 0,
    },
    counted: { ...counted },
  };
}

/** Handles and requests that keep the process alive, by kind. */
function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[`handle ${kind}`] = (counts[`handle ${kind}`] ?? 0) + 1;
  return counts;
}

function descriptors(): Record<string, number> {
  try {
    // One of them is of this look.
    return { "file descriptors": readdirSync("/proc/self/fd").length - 1 };
  } catch {
    return {};
  }
}

function listeners(http: Server, shared: AbortSignal): Record<string, number> {
  const of = (emitter: EventEmitter) =>
    emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
  return {
    "listeners of process": of(process),
    "listeners of the HTTP server": of(http),
    [SHARED_SIGNAL]: getEventListeners(shared, "abort").length,
  };
}

function objects(): Record<string, number> {
  const counts = Object.entries(CLASSES).map(([name, of]) => {
    // Newer than the oldest Node.
    const count = queryObjects?.(of as never, { format: "count" }) as unknown as number;
    return [`objects ${name}`, count] as const;
  });
  return Object.fromEntries(counts);
}
