import type { PayloadField } from "@mcp-task-store/core/backend";
import { commands } from "./commands.generated.ts";
import type { Connections, Request } from "./connection.ts";
import type { Keys } from "./keys.ts";
import { FIELDS } from "./rows.ts";

/** Commands that can be sent twice: the second time changes nothing. */
export const REPEATABLE: ReadonlySet<string> = new Set([
  "open",
  "read",
  "list",
  "count",
  "watch",
  "queue",
  "search",
  "peek",
  "steps",
  "listEvents",
  "forgetEvents",
]);

/** A command on one task that `commands/batch.lua` can carry. */
export interface TaskCommand {
  readonly name: "insert" | "read" | "update";
  readonly taskId: string;
  readonly args: readonly string[];
}

/** A read without an owner to check, which is a plain command. */
export function needsNoScript({ name, args }: Pick<TaskCommand, "name" | "args">): boolean {
  return name === "read" && args[0] === "any";
}

/** The callbacks of a call, and its deadline. */
export type Asker = Pick<Request, "resolve" | "reject" | "until">;

/** Runs the scripts of `commands/` on the keys of a store. */
export class Commands {
  readonly #connections: Connections;
  readonly #keys: Keys;

  constructor(connections: Connections, keys: Keys) {
    this.#connections = connections;
    this.#keys = keys;
  }

  /** The names of the scripts that the server is known to have. */
  get known(): Set<string> {
    return this.#connections.scripts;
  }

  /**
   * Runs a command on the task of this id, or on the store (`""`).
   * @param repeatable Whether it may be sent twice. Default: see `REPEATABLE`.
   */
  run(
    name: Exclude<keyof typeof commands, "readMany" | "batch">,
    taskId: string,
    args: readonly string[],
    repeatable?: boolean,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => this.#run(name, taskId, args, { resolve, reject }, repeatable));
  }

  runAlone(command: TaskCommand, asker: Asker): void {
    const { name, taskId, args } = command;
    if (needsNoScript(command)) this.#readAny(taskId, args.slice(2), asker);
    else this.#run(name, taskId, args, asker);
  }

  /** Runs commands in one step. A failed one has its error as its answer. */
  runBatch(batch: readonly TaskCommand[], until: number): Promise<readonly unknown[]> {
    const keys: string[] = [];
    // The last key name stands for the tasks' own keys.
    for (const key of commands.batch.keys) if (key !== "task") keys.push(this.#keys.key(key, ""));
    const all: string[] = [];
    let repeatable = true;
    for (const { name, taskId, args } of batch) {
      keys.push(this.#keys.task(taskId));
      all.push(name, `${args.length}`, ...args);
      repeatable &&= REPEATABLE.has(name);
    }
    return new Promise((resolve, reject) => {
      const asker = { resolve: resolve as Request["resolve"], reject, until };
      this.#send("batch", keys, all, repeatable ? "repeatable" : "once", asker);
    });
  }

  /** The only command whose keys are all tasks. */
  readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Promise<unknown> {
    const keys = taskIds.map((taskId) => this.#keys.task(taskId));
    return new Promise((resolve, reject) => this.#send("readMany", keys, payloads, "repeatable", { resolve, reject }));
  }

  /**
   * Without an owner to check, a plain command is enough and costs less than a script. The key
   * expires with the task, so no script has to compare times.
   */
  #readAny(taskId: string, payloads: readonly string[], asker: Asker): void {
    const key = this.#keys.task(taskId);
    const fields = payloads.length === 0 ? FIELDS : [...FIELDS, ...payloads];
    const send: Request["send"] = (driver) => driver.hmget(key, fields);
    this.#connections.start({ send, repeatable: "repeatable", ...asker });
  }

  #run(
    name: keyof typeof commands,
    taskId: string,
    args: readonly string[],
    asker: Asker,
    repeatable = REPEATABLE.has(name),
  ): void {
    const keys = commands[name].keys.map((key) => this.#keys.key(key, taskId));
    this.#send(name, keys, args, repeatable ? "repeatable" : "once", asker);
  }

  #send(
    name: keyof typeof commands,
    keys: readonly string[],
    args: readonly string[],
    repeatable: Request["repeatable"],
    { resolve, reject, until }: Asker,
  ): void {
    const { sha1, lua } = commands[name];
    this.#connections.start({
      send: (driver) => driver.evalsha(sha1, keys, args),
      sendScript: (driver) => driver.eval(lua, keys, args),
      repeatable,
      until,
      resolve,
      reject,
    });
  }
}
