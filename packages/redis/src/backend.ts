import { randomBytes } from "node:crypto";
import type {
  Capabilities,
  Caps,
  ClaimQuery,
  Guard,
  InsertOutcome,
  ListQuery,
  NewTask,
  OwnerScope,
  Patch,
  PayloadField,
  PushOutcome,
  StoredTask,
  TaskBackend,
  UpdateOutcome,
} from "@mcp-task-store/core";
import { initialTask, isInScope, withPayloads } from "@mcp-task-store/core";
import { Commands } from "./commands.ts";
import { Connection } from "./connection.ts";
import { Drivers } from "./driver.ts";
import { Keys } from "./keys.ts";
import { Changes } from "./listen.ts";
import { Messages } from "./messages.ts";
import { type RedisOptions, type RedisSettings, redisSettings } from "./options.ts";
import { scopeArguments, type TaskRow, toStored, toStoredWith } from "./rows.ts";
import { reportServer } from "./server.ts";
import { ServerClock } from "./server-clock.ts";

/** Most tasks deleted by one script, so that other callers get their turn. */
const DELETE_BATCH = 200;

/** The fields that a patch sets as they are. */
const PATCHED = ["statusMessage", "inputs", "checkpoint", "outcome"] as const;

/**
 * Tasks in Redis or Valkey. Each method is one Lua script, which Redis runs in one step; the rules are said in Lua once, in
 * `commands/includes/`.
 */
export class RedisBackend implements TaskBackend {
  readonly capabilities: Capabilities = Object.freeze({ durable: true, multiProcess: true });
  readonly #settings: RedisSettings;
  readonly #connection: Connection;
  readonly #commands: Commands;
  readonly #clock = new ServerClock();
  readonly #messages: Messages;
  readonly #changes: Changes;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: RedisOptions) {
    this.#settings = redisSettings(options);
    const { prefix, commandTimeoutMs } = this.#settings;
    const drivers = new Drivers(this.#settings);
    const connection = new Connection(drivers, commandTimeoutMs);
    const keys = new Keys(`${drivers.keyPrefix}{${prefix}}:`);
    this.#connection = connection;
    this.#commands = new Commands(connection, keys);
    this.#messages = new Messages(this.#commands);
    this.#changes = new Changes(drivers, connection, keys.key("changes", ""), commandTimeoutMs);
  }

  async open(): Promise<{ storeId: string }> {
    const answer = await this.#commands.run("open", "", [randomBytes(16).toString("hex")]);
    const [storeId, now, info] = answer as [string, string, string];
    this.#clock.told(now);
    reportServer(info, this.#settings.onError);
    return { storeId };
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const { taskId, owner, name, ttl, pollInterval, request, claimAfterMs } = task;
    const { activeTasks, activeTasksPerOwner } = caps;
    const answer = await this.#commands.run("insert", taskId, [
      taskId,
      owner === null ? "0" : "1",
      owner ?? "",
      name,
      optional(ttl),
      optional(pollInterval),
      request,
      `${claimAfterMs}`,
      optional(activeTasks),
      optional(activeTasksPerOwner),
    ]);
    if (!Array.isArray(answer)) return { refused: answer as "duplicate" | "activeTasks" | "activeTasksPerOwner" };
    const [now, leaseExpiresAt, position] = (answer as string[]).map(Number) as [number, number, number];
    return { inserted: { ...withPayloads(initialTask(task, position, now)), leaseExpiresAt } };
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    // A script sees whose task it is before it reads payloads, so that another owner learns nothing from the time it takes. Where there
    // is nothing to hide it would only cost: three times as much as the command.
    const row =
      payloads.length === 0 || scope === null
        ? await this.#commands.readTask(taskId, payloads)
        : ((await this.#commands.run("read", taskId, [...scopeArguments(scope), ...payloads])) as TaskRow | null);
    const task = row && toStoredWith(payloads, taskId, row, this.#clock.now());
    return task && isInScope(scope, task.owner) ? task : undefined;
  }

  async readMany(taskIds: readonly string[]): Promise<StoredTask[]> {
    const [now, rows] = (await this.#commands.readMany(taskIds)) as [string, (TaskRow | null)[]];
    const readAt = this.#clock.told(now);
    return rows.flatMap((row, index) => (row ? toStored(taskIds[index] as string, row, readAt) : []));
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const args = [
      taskId,
      ...scopeArguments(guard.scope),
      optional(guard.revision),
      optional(guard.leaseToken),
      guard.leaseFree ? "1" : "0",
      patch.lease?.action ?? "",
      optional(patch.lease?.durationMs),
      patch.status ?? "",
    ];
    for (const field of PATCHED) {
      const value = patch[field];
      if (value !== undefined) args.push(field, value);
    }
    const answer = await this.#commands.run("update", taskId, args);
    if (answer === null) return { applied: false, task: undefined };
    const [applied, now] = (answer as unknown[]).slice(-2) as [number, string];
    return { applied: applied === 1, task: toStored(taskId, answer as TaskRow, this.#clock.told(now)) };
  }

  async list({ scope, after, limit }: ListQuery): Promise<StoredTask[]> {
    const tasks: StoredTask[] = [];
    let next = `${after ?? 0}`;
    while (next !== "" && tasks.length < limit) {
      const args = [...scopeArguments(scope), next, `${Math.floor(limit) - tasks.length}`];
      const [now, found, rest] = (await this.#commands.run("list", "", args)) as [string, (string | TaskRow)[], string];
      const readAt = this.#clock.told(now);
      for (let index = 0; index < found.length; index += 2)
        tasks.push(toStored(found[index] as string, found[index + 1] as TaskRow, readAt));
      next = rest;
    }
    return tasks;
  }

  async claim({ names, durationMs }: ClaimQuery): Promise<StoredTask | undefined> {
    for (;;) {
      const answer = await this.#commands.run("claim", "", [`${durationMs}`, ...names]);
      if (answer === null) return undefined;
      if (!Array.isArray(answer)) continue;
      const [taskId, now] = answer.slice(-2) as [string, string];
      const task = toStoredWith(["request", "inputs", "checkpoint"], taskId, answer, this.#clock.told(now));
      // Only the end of a task gives it an outcome.
      return { ...task, outcome: null };
    }
  }

  async deleteExpired(limit: number): Promise<number> {
    let left = Math.ceil(limit);
    let deleted = 0;
    while (left > 0) {
      const batch = Math.min(left, DELETE_BATCH);
      const [tasks, queues, more] = (await this.#commands.run("deleteExpired", "", [`${batch}`])) as [
        number,
        number,
        number,
      ];
      deleted += tasks + queues;
      if (more === 0) break;
      left -= batch;
    }
    return deleted;
  }

  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#messages.push(taskId, message, maxSize, ttl);
  }

  shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#messages.shift(taskId, limit);
  }

  listen(onChange: (taskId?: string) => void): Promise<() => Promise<void>> {
    return this.#changes.listen(onChange);
  }

  async close(): Promise<void> {
    await this.#changes.close();
    await this.#connection.close();
  }
}

/** A number as commands take it. */
function optional(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : `${value}`;
}
