import { isTaskStoreError } from "@mcp-task-store/core";
import { Batches, type Caps, type InsertOutcome, type NewTask } from "@mcp-task-store/core/backend";
import type { Connections, Runner } from "./connection.ts";
import { isLost } from "./errors.ts";
import type { InTransaction } from "./in-transaction.ts";
import type { Statements } from "./statements.ts";

interface CappedTask {
  readonly task: NewTask;
  readonly caps: Caps;
}

/** A creation under caps. */
interface Capped extends CappedTask {
  readonly resolve: (outcome: InsertOutcome) => void;
  readonly reject: (error: unknown) => void;
}

const LIMITS = { calls: 32, size: 64 * 1024 };

/**
 * Inserts tasks in the order of the calls. (One exception: a task that reuses the id of an expired
 * task not deleted yet comes after those of its batch.)
 */
export class Creations {
  readonly #connections: Connections;
  readonly #statements: Statements;
  readonly #schemaName: string;
  readonly #capped = new Batches<Capped>(
    (calls) => this.#insertCapped(calls),
    "nextTick",
    LIMITS,
    ({ task }) => task.request.length,
  );

  constructor(connections: Connections, statements: Statements, schemaName: string) {
    this.#connections = connections;
    this.#statements = statements;
    this.#schemaName = schemaName;
  }

  insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    if (caps.activeTasks === null && caps.activeTasksPerOwner === null) return this.#insert(this.#connections, task);
    return this.#connections.hold(new Promise((resolve, reject) => this.#capped.add({ task, caps, resolve, reject })));
  }

  /** Inserts the task in a transaction of the application. */
  async insertIn(transaction: InTransaction, task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const locks = this.#locksOf([{ task, caps }]);
    if (locks.length === 0) return this.#insert(transaction, task);
    for (const lock of locks) await transaction.run(this.#statements.lockCap, lock);
    return this.#insertUnderCaps(transaction, { task, caps });
  }

  async #insert(runner: Runner, task: NewTask): Promise<InsertOutcome> {
    const { insert, insertInPlace, forgetSteps } = this.#statements;
    const { taskId, owner, name, ttl, pollInterval, request, claimAfterMs } = task;
    const values = [taskId, owner, name, ttl, pollInterval, request, Math.ceil(claimAfterMs)] as const;
    let [inserted] = await runner.run(insert, ...values);
    if (!inserted) {
      await runner.run(forgetSteps, taskId);
      [inserted] = await runner.run(insertInPlace, ...values);
    }
    return inserted ? { inserted } : { refused: "duplicate" };
  }

  /**
   * Inserts under one cap run one after the other, so that each counts those before it. Inserts of
   * one batch share a transaction with its locks and its commit.
   */
  async #insertCapped(calls: readonly Capped[]): Promise<void> {
    try {
      const outcomes = await this.#connections.transaction(async (transaction) => {
        for (const lock of this.#locksOf(calls)) await transaction.run(this.#statements.lockCap, lock);
        const made: InsertOutcome[] = [];
        for (const call of calls) made.push(await this.#insertUnderCaps(transaction, call));
        return made;
      });
      for (const [index, { resolve }] of calls.entries()) resolve(outcomes[index] as InsertOutcome);
    } catch (error) {
      // If the database refused one, each runs alone. If it did not answer, all have failed.
      const refused = isTaskStoreError(error) && !isLost(error.cause);
      if (refused && calls.length > 1) for (const call of calls) await this.#insertCapped([call]);
      else for (const { reject } of refused ? calls : [...calls, ...this.#capped.drop()]) reject(error);
    }
  }

  /** A fixed order, so that two processes cannot deadlock. */
  #locksOf(calls: readonly CappedTask[]): string[] {
    const nameOf = (whose: unknown) => JSON.stringify(["mcp-task-store cap", this.#schemaName, whose]);
    const all = calls.some(({ caps }) => caps.activeTasks !== null) ? [nameOf("all")] : [];
    const owners = calls.flatMap(({ task, caps }) => (caps.activeTasksPerOwner === null ? [] : [nameOf([task.owner])]));
    return [...all, ...[...new Set(owners)].sort()];
  }

  async #insertUnderCaps(transaction: Runner, { task, caps }: CappedTask): Promise<InsertOutcome> {
    const { activeTasks, activeTasksPerOwner } = caps;
    const most = [activeTasks, activeTasksPerOwner].map((cap) => (cap === null ? null : Math.ceil(cap))) as [
      number | null,
      number | null,
    ];
    const [found] = await transaction.run(this.#statements.caps, task.taskId, task.owner, ...most);
    if (found?.duplicate) return { refused: "duplicate" };
    if (found?.activeTasks) return { refused: "activeTasks" };
    if (found?.activeTasksPerOwner) return { refused: "activeTasksPerOwner" };
    return this.#insert(transaction, task);
  }
}
