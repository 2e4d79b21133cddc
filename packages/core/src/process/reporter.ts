import { messageOf } from "../contract/json-rpc.ts";

/**
 * Makes a callback of the application safe to call from work that no caller waits for. If the
 * callback throws, or rejects when it is async, its error becomes a process warning.
 */
export function reporter<Args extends readonly unknown[]>(
  callback: (...args: Args) => unknown,
): (...args: Args) => void {
  return (...args) => void (async () => callback(...args))().catch(warn);
}

/** Emits a process warning for a thrown value of any kind. */
export function warn(failure: unknown): void {
  process.emitWarning(failure instanceof Error ? failure : messageOf(failure));
}
