import { randomBytes } from "node:crypto";
import type { Capabilities } from "@mcp-task-store/core";
import type {
  BackendHost,
  Caps,
  ClaimQuery,
  DeletionStep,
  Guard,
  InsertOutcome,
  LimitedClaimQuery,
  ListQuery,
  NewTask,
  OnChange,
  OwnerScope,
  Patch,
  PayloadField,
  PushOutcome,
  RestoredTask,
  Rewrite,
  SearchPage,
  SearchQuery,
  Step,
  StoredTask,
  TaskBackend,
  UpdateOutcome,
} from "@mcp-task-store/core/backend";
import { GatheredClaims, initialTask, inSteps, isInScope, withPayloads } from "@mcp-task-store/core/backend";
import { Commands } from "./commands.ts";
import { Connections } from "./connection.ts";
import { Events } from "./events.ts";
import { Keys } from "./keys.ts";
import { ChangeFeed } from "./listen.ts";
import { Messages } from "./messages.ts";
import { driversOf } from "./open.ts";
import { type RedisOptions, type RedisSettings, redisSettings } from "./options.ts";
import {
  OWNER,
  restoreArguments,
  STEP,
  scopeArguments,
  type TaskRow,
  toClaimed,
  toStored,
  toStoredWith,
} from "./rows.ts";
import { Search } from "./search.ts";
import { reportServer } from "./server.ts";
import { ServerClock } from "./server-clock.ts";
import { Together } from "./together.ts";
import { Turns } from "./turns.ts";

/** Most tasks deleted by one script, so that other callers get their turn. */
const DELETE_BATCH = 200;

/** Most tasks that one script adds to such sets. */
const FILL_BATCH = 500;

/** The commands that fill sets, for caps, searches, or claims with limits. */
type Fill = "count" | "watch" | "queue";

/** Most tasks removed or restored by one script. */
const REMOVE_BATCH = 100;
const RESTORE_BATCH = 20;

/** Most tasks whose steps one script reads. */
const STEPS_BATCH = 20;

/** Most tasks claimed by one script. */
const CLAIM_BATCH = 64;

/** The fields of a patch, the history's line first. The others are stored unchanged. */
const PATCHED = ["history", "statusMessage", "inputs", "checkpoint", "outcome"] as const;

/**
 * Tasks in Redis or Valkey. Each method is one atomic Lua script, or shares one with others. The
 * rules are written in Lua once, in `commands/includes/`.
 */
export class RedisBackend implements TaskBackend {
  readonly capabilities: Capabilities = Object.freeze({ durable: true, multiProcess: true });
  readonly events: Events;
  readonly #settings: RedisSettings;
  readonly #connections: Connections;
  readonly #commands: Commands;
  readonly #together: Together;
  readonly #clock = new ServerClock();
  readonly #messages: Messages;
  readonly #changes: ChangeFeed;
  readonly #search: Search;
  readonly #turns: Turns;
  readonly #filling = new Map<Fill, Promise<void>>();
  readonly #claims = new GatheredClaims((query) => this.#claim(query), CLAIM_BATCH);

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: RedisOptions) {
    this.#settings = redisSettings(options);
    const { keyPrefix, commandTimeoutMs } = this.#settings;
    const drivers = driversOf(this.#settings);
    const keys = new Keys(`${drivers.keyPrefix}{${keyPrefix}}:`);
    const channel = keys.key("changes", "");
    const connections = new Connections(() => drivers.open(channel), commandTimeoutMs);
    this.#connections = connections;
    this.#commands = new Commands(connections, keys);
    this.#together = new Together(this.#commands, commandTimeoutMs);
    this.#messages = new Messages(this.#commands);
    this.events = new Events(this.#commands);
    this.#search = new Search(this.#commands, this.#clock, () => this.#fill("watch"));
    this.#turns = new Turns(this.#commands, this.#clock, () => this.#fill("queue"));
    this.#changes = new ChangeFeed(connections, commandTimeoutMs);
  }

  async open({ report, caps }: BackendHost): Promise<{ storeId: string }> {
    try {
      const answer = await this.#commands.run("open", "", [randomBytes(16).toString("hex")]);
      const [storeId, now, info] = answer as [string, string, string];
      this.#clock.told(now);
      reportServer(info, report);
      if (caps && (caps.activeTasks !== null || caps.activeTasksPerOwner !== null)) await this.#fill("count");
      return { storeId };
    } catch (error) {
      await this.#connections.reset();
      throw error;
    }
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const { taskId, owner, name, ttl, pollInterval, request, claimAfterMs } = task;
    const { activeTasks, activeTasksPerOwner } = caps;
    const args = [
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
    ];
    let answer = await this.#together.run("insert", taskId, args);
    // The database has lost the sets since this store opened.
    while (answer === "uncounted") {
      await this.#fill("count");
      answer = await this.#together.run("insert", taskId, args);
    }
    if (!Array.isArray(answer)) return { refused: answer as "duplicate" | "activeTasks" | "activeTasksPerOwner" };
    const [now, leaseExpiresAt, position] = (answer as string[]).map(Number) as [number, number, number];
    return { inserted: { ...withPayloads(initialTask(task, position, now)), leaseExpiresAt } };
  }

  /** Fills the sets that only caps, searches or claims with limits need. */
  #fill(command: Fill): Promise<void> {
    let filling = this.#filling.get(command);
    if (!filling) {
      filling = this.#fillAll(command).finally(() => this.#filling.delete(command));
      this.#filling.set(command, filling);
    }
    return filling;
  }

  async #fillAll(command: Fill): Promise<void> {
    while ((await this.#commands.run(command, "", [`${FILL_BATCH}`])) !== 1);
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    // The script checks the owner before it reads anything else, so that a call's duration reveals
    // nothing to other owners. A call that sees every task has nothing to check, so a plain command
    // does. (The script costs the server three times as much.)
    const answer = await this.#together.run("read", taskId, [...scopeArguments(scope), ...payloads]);
    const row = answer as TaskRow | null;
    return row && row[0] !== null && isInScope(scope, row[OWNER] ?? null)
      ? toStoredWith(payloads, taskId, row, this.#clock.now())
      : undefined;
  }

  async readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Promise<StoredTask[]> {
    const [now, rows] = (await this.#commands.readMany(taskIds, payloads)) as [string, (TaskRow | null)[]];
    const readAt = this.#clock.told(now);
    return rows.flatMap((row, index) => (row ? toStoredWith(payloads, taskIds[index] as string, row, readAt) : []));
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const args = [
      taskId,
      ...scopeArguments(guard.scope),
      optional(guard.revision),
      optional(guard.leaseToken),
      guard.leaseFree ? "1" : "0",
      guard.ended ? "1" : "0",
      patch.lease?.action ?? "",
      optional(patch.lease?.leaseMs),
      patch.status ?? "",
    ];
    for (const field of PATCHED) {
      const value = patch[field];
      if (value !== undefined) args.push(field, value);
    }
    if (patch.step) args.push(STEP + patch.step.name, patch.step.body);
    const answer = await this.#together.run("update", taskId, args);
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

  claim(query: ClaimQuery): Promise<StoredTask[]> {
    return this.#claims.claim(query);
  }

  async #claim({ names, leaseMs, limit, history }: ClaimQuery): Promise<StoredTask[]> {
    const most = Math.min(limit, CLAIM_BATCH);
    for (;;) {
      const answer = await this.#commands.run("claim", "", [`${leaseMs}`, `${most}`, history ?? "", ...names]);
      const [now, rows, more] = answer as [string, TaskRow[], number];
      if (rows.length === 0 && more === 1) continue;
      return toClaimed(rows, this.#clock.told(now));
    }
  }

  claimLimited(query: LimitedClaimQuery): Promise<StoredTask[]> {
    return this.#turns.claim(query);
  }

  async deleteExpired(limit: number): Promise<DeletionStep> {
    const most = Math.min(limit, DELETE_BATCH);
    const answer = await this.#commands.run("deleteExpired", "", [`${most}`]);
    const [tasks, queues, more] = answer as [number, number, number];
    return { deleted: tasks + queues, more: more !== 0 };
  }

  search(query: SearchQuery): Promise<SearchPage> {
    return this.#search.search(query);
  }

  async remove(taskIds: readonly string[]): Promise<string[]> {
    return inSteps(async (wrote) => {
      const removed: string[] = [];
      for (let at = 0; at < taskIds.length; at += REMOVE_BATCH) {
        removed.push(...((await this.#commands.run("remove", "", taskIds.slice(at, at + REMOVE_BATCH))) as string[]));
        if (removed.length > 0) wrote();
      }
      return removed;
    });
  }

  async pauses({ pause, resume }: { pause: readonly string[]; resume: readonly string[] }): Promise<string[]> {
    const names = [...pause, ...resume];
    return (await this.#commands.run("pauses", "", [`${pause.length}`, ...names], names.length === 0)) as string[];
  }

  async restore(tasks: readonly RestoredTask[]): Promise<string[]> {
    return inSteps(async (wrote) => {
      const restored: string[] = [];
      for (let at = 0; at < tasks.length; at += RESTORE_BATCH) {
        const args = tasks.slice(at, at + RESTORE_BATCH).flatMap(restoreArguments);
        restored.push(...((await this.#commands.run("restore", "", args)) as string[]));
        if (restored.length > 0) wrote();
      }
      return restored;
    });
  }

  messagesOf(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    return this.#messages.peek(taskIds);
  }

  async stepsOf(taskIds: readonly string[]): Promise<({ taskId: string } & Step)[]> {
    const steps: ({ taskId: string } & Step)[] = [];
    for (let at = 0; at < taskIds.length; at += STEPS_BATCH) {
      const found = await this.#commands.run("steps", "", taskIds.slice(at, at + STEPS_BATCH));
      for (const [taskId, name, body] of found as [string, string, string][]) steps.push({ taskId, name, body });
    }
    return steps;
  }

  async rewrite(taskId: string, texts: readonly Rewrite[]): Promise<boolean[]> {
    const args = texts.flatMap(({ field, from, to }) => [field, from, to]);
    return ((await this.#commands.run("rewrite", taskId, args)) as number[]).map((replaced) => replaced === 1);
  }

  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#messages.push(taskId, message, maxSize, ttl);
  }

  shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#messages.shift(taskId, limit);
  }

  listen(onChange: OnChange): Promise<() => Promise<void>> {
    return this.#changes.listen(onChange);
  }

  async close(): Promise<void> {
    // Sends the pending calls, as close() waits for every call made before it.
    this.#together.drain();
    await this.#changes.close();
    await this.#connections.close();
  }
}

/** A number as an argument of a command. */
function optional(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : `${value}`;
}
