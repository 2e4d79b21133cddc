import type { PayloadField } from "@mcp-task-store/core";
import { commands } from "./commands.generated.ts";
import type { Connection } from "./connection.ts";
import type { Keys } from "./keys.ts";
import { FIELDS, type TaskRow } from "./rows.ts";

/** Commands that change nothing, or nothing more the second time. */
const REPEATABLE: ReadonlySet<string> = new Set(["open", "read", "list"]);

/** The scripts of `commands/`, on a store's keys. */
export class Commands {
  readonly #connection: Connection;
  readonly #keys: Keys;

  constructor(connection: Connection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Runs a command on the task of this id, or on the store (`""`). */
  run(name: Exclude<keyof typeof commands, "readMany">, taskId: string, args: readonly string[]): Promise<unknown> {
    const command = commands[name];
    const keys = command.keys.map((key) => this.#keys.key(key, taskId));
    return this.#connection.run(command, keys, args, REPEATABLE.has(name) ? "repeatable" : "once");
  }

  /** What a script would do costs more than all the rest of such a read, and its key expires by itself. */
  async readTask(taskId: string, payloads: readonly PayloadField[]): Promise<TaskRow | undefined> {
    const key = this.#keys.task(taskId);
    const row = await this.#connection.use((driver) => driver.hmget(key, ...FIELDS, ...payloads), "repeatable");
    return row[0] === null ? undefined : row;
  }

  /** The one command that has as many keys as there are tasks. */
  readMany(taskIds: readonly string[]): Promise<unknown> {
    const keys = taskIds.map((taskId) => this.#keys.task(taskId));
    return this.#connection.run(commands.readMany, keys, [], "repeatable");
  }
}
