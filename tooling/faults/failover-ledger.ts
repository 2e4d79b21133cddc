import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { TaskStore } from "@mcp-task-store/core";
import { expect, vi } from "vitest";
import { type FailoverReport, resultOf, type Write, type WriterOrder } from "./failover-writer.ts";

const program = fileURLToPath(new URL("failover-writer.ts", import.meta.url));
const PATIENT = { timeout: 300_000, interval: 50 };

export interface Losses {
  readonly acknowledged: number;
  /** Acknowledged writes that the store does not have. */
  readonly lost: number;
  readonly unknown: number;
  /** Of those, how many took effect. */
  readonly tookEffect: number;
  readonly notApplied: number;
  /** The longest time in which a writer got no write acknowledged. */
  readonly pauseMs: number;
  /** From the first acknowledged write that is lost to the last one. */
  readonly tailMs: number;
}

/** Writers in processes of their own, and what they were told. */
export class Ledger {
  readonly #writes: Write[] = [];
  readonly #wrong: string[] = [];
  readonly #writers: ChildProcess[] = [];

  start(order: WriterOrder): void {
    const writer = fork(program, [JSON.stringify(order)], { execArgv: [] });
    this.#writers.push(writer);
    writer.on("message", (report: FailoverReport) => {
      if ("wrong" in report) this.#wrong.push(report.wrong);
      else this.#writes.push(report.write);
    });
  }

  /** Resolves when each writer has this many acknowledged writes that began from now on. */
  async goesOn(writers: readonly string[], count: number): Promise<void> {
    const from = performance.timeOrigin + performance.now();
    await vi.waitFor(() => {
      expect(this.#wrong).toEqual([]);
      for (const name of writers)
        expect(
          this.#acknowledged.filter(({ taskId, startedAt }) => startedAt > from && taskId.startsWith(`${name},`))
            .length,
          name,
        ).toBeGreaterThan(count);
    }, PATIENT);
  }

  /** How often the writes of each writer failed, by outcome and message. */
  get failures(): Readonly<Record<string, number>> {
    const failed = this.#writes.filter(({ message }) => message !== undefined);
    const groups = Map.groupBy(
      failed,
      ({ taskId, outcome, message }) => `${taskId.split(",", 1)}, ${outcome}: ${message}`,
    );
    return Object.fromEntries([...groups].map(([what, { length }]) => [what, length]));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#writers.map(async (writer) => {
        if (!writer.connected) return;
        writer.send("stop");
        await once(writer, "exit");
      }),
    );
  }

  kill(): void {
    for (const writer of this.#writers) writer.kill("SIGKILL");
  }

  get #acknowledged(): readonly Write[] {
    return this.#writes.filter(({ outcome }) => outcome === "acknowledged");
  }

  /**
   * Compares with the store. Each task is what its surviving writes made. Lost is the tail alone:
   * of the writes before the fault, none survived that began after a lost one had been
   * acknowledged.
   * @param faultAt From then on the primary may be another one.
   * @param lossUntil Writes that began later are on the new primary, and none of them is lost.
   * @param following The writers that find the new primary.
   */
  async check(
    store: TaskStore,
    { faultAt, lossUntil, following }: { faultAt: number; lossUntil: number; following: readonly string[] },
  ): Promise<Losses> {
    expect(this.#wrong).toEqual([]);
    const tasks = Map.groupBy(this.#writes, ({ taskId }) => taskId);
    const [lost, kept]: [Write[], Write[]] = [[], []];
    let [unknown, tookEffect, notApplied] = [0, 0, 0];
    for (const [taskId, writes] of tasks) {
      const record = await store.getRecord(taskId);
      const has = {
        create: record !== null,
        progress: record?.task.statusMessage === "half",
        complete: record?.task.status === "completed",
      };
      expect(record?.result, taskId).toEqual(has.complete ? resultOf(taskId) : undefined);
      // Each of them once, and nothing else.
      expect(record?.revision ?? 0, taskId).toBe(Object.values(has).filter(Boolean).length);
      const tried = writes.map(({ step }) => step);
      for (const [step, held] of Object.entries(has)) if (held) expect(tried, taskId).toContain(step);
      for (const write of writes) {
        const held = has[write.step];
        if (write.outcome === "acknowledged") (held ? kept : lost).push(write);
        else if (write.outcome === "not-applied") {
          notApplied += 1;
          expect(held, `${taskId}: ${write.message}`).toBe(false);
        } else {
          unknown += 1;
          if (held) tookEffect += 1;
          // A server that answers knows what became of the write.
          expect(write.message).not.toMatch(/\((MOVED|ASK|READONLY|NOREPLICAS|[A-Z]+DOWN|LOADING) /);
        }
      }
    }
    const firstLost = Math.min(...lost.map(({ endedAt }) => endedAt));
    for (const { taskId, startedAt } of lost) expect(startedAt, `${taskId} is lost`).toBeLessThan(lossUntil);
    for (const { taskId, startedAt, endedAt } of kept)
      if (endedAt < faultAt) expect(startedAt, `${taskId} is kept`).toBeLessThan(firstLost);
    return {
      acknowledged: this.#acknowledged.length,
      lost: lost.length,
      unknown,
      tookEffect,
      notApplied,
      pauseMs: Math.round(this.#longestPause(following)),
      tailMs: lost.length === 0 ? 0 : Math.round(Math.max(...lost.map(({ endedAt }) => endedAt)) - firstLost),
    };
  }

  #longestPause(writers: readonly string[]): number {
    const pauses = writers.flatMap((name) => {
      const times = this.#acknowledged
        .filter(({ taskId }) => taskId.startsWith(`${name},`))
        .map(({ endedAt }) => endedAt);
      return times.toSorted((a, b) => a - b).map((time, index, all) => time - (all[index - 1] ?? time));
    });
    return Math.max(...pauses);
  }
}
