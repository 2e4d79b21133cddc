import { AsyncLocalStorage } from "node:async_hooks";

/** Runs a function in the `AsyncLocalStorage` context in which this object was made. */
export type Context = ReturnType<typeof AsyncLocalStorage.snapshot>;

/**
 * Returns the present context. Work that outlives the call that began it, such as a sweep or a
 * subscription, runs in the context in which its owner was made. In the context of the first call,
 * it would show that call's data to all others, and keep that data in memory.
 */
export function presentContext(): Context {
  return AsyncLocalStorage.snapshot();
}
