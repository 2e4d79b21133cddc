import { performance } from "node:perf_hooks";

export { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "node:timers";

// The work between a call and its answer must not depend on the fake timers of test runners. So
// this module keeps the functions as they were when it was loaded. A deadline, an expiry and a
// poller's intervals are durations of the application. They use the global functions, and follow
// fake timers.

/** Milliseconds on a clock that only grows. */
export const now: () => number = performance.now.bind(performance);

export const nextTick: typeof process.nextTick = process.nextTick.bind(process);

const resolved = Promise.resolve();

/** Like `queueMicrotask`, which Jest fakes. It cannot fake promises. */
export function microtask(run: () => void): void {
  void resolved.then(run);
}
