import { clearInterval, setInterval } from "node:timers";
import { Worker } from "node:worker_threads";
import type { Harness } from "../harness.ts";

/** A case that is running. */
export interface Watched {
  readonly run: number;
  readonly id: string;
  readonly contract: string;
  readonly blockedMs: number;
}

/**
 * A message to the thread. Every message, even an empty one, is a sign that the event loop turns.
 */
export interface Sign {
  readonly begun?: Watched;
  readonly ended?: number;
}

export const BEAT_MS = 250;

/** Longer than any call of a driver takes on a slow machine. */
const DEFAULT_BLOCKED_MS = 60_000;

let thread: Worker | undefined;
let beat: NodeJS.Timeout | undefined;
let runs = 0;
let running = 0;

/**
 * Runs a case while a thread watches it. No timer can end a store that blocks the event loop (an
 * endless chain of microtasks, a call that does not return). The thread then writes the ids of the
 * cases that are running to stderr and ends the process by SIGKILL.
 */
export async function watched(
  { id, contract }: { readonly id: string; readonly contract: string },
  { blockedMs = DEFAULT_BLOCKED_MS }: Harness,
  body: () => Promise<void>,
): Promise<void> {
  if (blockedMs === Number.POSITIVE_INFINITY) return body();
  thread ??= startThread();
  const run = ++runs;
  const tell = (sign: Sign) => thread?.postMessage(sign);
  tell({ begun: { run, id, contract, blockedMs } });
  if (++running === 1) beat = setInterval(tell, BEAT_MS, {}).unref();
  try {
    await body();
  } finally {
    if (--running === 0) clearInterval(beat);
    tell({ ended: run });
  }
}

function startThread(): Worker {
  const worker = new Worker(new URL("./watchdog-thread.js", import.meta.url), { execArgv: [] });
  worker.unref();
  return worker;
}
