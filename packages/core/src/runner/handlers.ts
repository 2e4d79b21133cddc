import { concurrencyCheck } from "../contract/call-options.ts";
import { invalid } from "../contract/errors.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { ClaimTaskOptions, ConcurrencyLimits } from "../contract/options.ts";
import { HANDLER_OPTIONS, type HandlerOptions } from "./run-options.ts";
import type { TaskHandler } from "./task-handler.ts";

/** A handler with options of its own, which take the place of the worker's. */
export interface HandlerWithOptions extends HandlerOptions {
  handler: TaskHandler;
  /**
   * How many tasks of this name may run at once in all processes together, and for each owner. What
   * is over a limit waits. Give the same limits in every process.
   * @default no limits
   */
  concurrency?: ConcurrencyLimits | undefined;
}

/** The handlers of a worker, by tool name, each alone or with options. */
export type TaskHandlers =
  | Record<string, TaskHandler | HandlerWithOptions>
  | ReadonlyMap<string, TaskHandler | HandlerWithOptions>;

export type HandlerMap = ReadonlyMap<string, TaskHandler | HandlerWithOptions>;

const HANDLER_WITH_OPTIONS: OptionTable<HandlerWithOptions> = {
  ...HANDLER_OPTIONS,
  handler: checks.callable,
  concurrency: concurrencyCheck,
};

/**
 * The handlers by name, as a Map. A Map stays the caller's own, so handlers may be added to it.
 * @throws TaskStoreError `INVALID_ARGUMENT` for handlers that are none, and for an empty object
 */
export function handlerMap(where: string, handlers: TaskHandlers): HandlerMap {
  if (typeof handlers !== "object" || handlers === null)
    throw invalid(`${where} needs handlers: an object or a Map of functions, by tool name`);
  const byName: HandlerMap =
    handlers instanceof Map ? (handlers as HandlerMap) : new Map(Object.entries(handlers as object));
  if (byName.size === 0 && byName !== handlers) throw invalid(`${where} needs at least one handler`);
  for (const [name, given] of byName) checkHandler(name, given);
  return byName;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function checkHandler(name: string, given: TaskHandler | HandlerWithOptions): void {
  if (typeof given === "function") return;
  const shown = JSON.stringify(name);
  if (typeof given?.handler !== "function")
    throw invalid(`The handler of ${shown} must be a function, or an object with a function handler`);
  checkOptions(`The handler of ${shown}`, given, HANDLER_WITH_OPTIONS);
}

/** The limits of the handlers of these names; `undefined` if none has limits. */
export function limitsOf(handlers: HandlerMap, names: readonly string[]): ClaimTaskOptions["concurrency"] {
  const limited = names.flatMap((name) => {
    const limits = limitsOfName(handlers, name);
    return limits ? [[name, limits] as const] : [];
  });
  return limited.length === 0 ? undefined : Object.fromEntries(limited);
}

export function limitsOfName(handlers: HandlerMap, name: string): ConcurrencyLimits | undefined {
  const given = handlers.get(name);
  return typeof given === "object" ? given.concurrency : undefined;
}
