import { invalid } from "../contract/errors.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import { HANDLER_OPTIONS, type HandlerOptions } from "./run-options.ts";
import type { TaskHandler } from "./task-handler.ts";

/** A handler with options of its own, which take the place of the worker's. */
export interface HandlerWithOptions extends HandlerOptions {
  handler: TaskHandler;
}

/** The handlers of a worker, by tool name, each alone or with options. */
export type TaskHandlers =
  | Record<string, TaskHandler | HandlerWithOptions>
  | ReadonlyMap<string, TaskHandler | HandlerWithOptions>;

export type HandlerMap = ReadonlyMap<string, TaskHandler | HandlerWithOptions>;

const HANDLER_WITH_OPTIONS: OptionTable<HandlerWithOptions> = { ...HANDLER_OPTIONS, handler: checks.callable };

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
