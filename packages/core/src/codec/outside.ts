import { RecentMap } from "../backend/recent-map.ts";
import { isStepText, stepOf, stepText } from "../backend/rewrites.ts";
import { PAYLOAD_FIELDS, type PayloadField, type StoredTask } from "../backend/stored-task.ts";
import type { Patch, RestoredTask, TaskBackend } from "../backend/task-backend.ts";
import type { PayloadStage } from "../contract/codec.ts";
import { isTaskStoreError } from "../contract/errors.ts";
import type { Codec } from "./codec.ts";
import { noteIn, stagedNotes } from "./staged-notes.ts";

/** Notes that are remembered. */
const REMEMBERED = 10_000;

/** The stored texts of a task by their fields, with `step:` and a name for a step. */
export type StoredTexts = Readonly<Record<string, string | null | undefined>>;

type ForgettingStage = PayloadStage & Required<Pick<PayloadStage, "forget">>;

/**
 * Tells stages which of their notes no payload has any more. This is for what ends in this process.
 * The sweep of a stage finds what ended elsewhere, and what is left when a process dies.
 */
export class Outside {
  readonly #backend: TaskBackend;
  readonly #codec: Codec;
  readonly #stages: readonly ForgettingStage[];
  readonly #report: (error: unknown) => void;
  /** The notes of payloads as this process last wrote or read them, by stage, task and field. */
  readonly #known = new RecentMap<string, string>(REMEMBERED);
  readonly #pending = new Set<Promise<void>>();

  constructor(backend: TaskBackend, codec: Codec, report: (error: unknown) => void) {
    this.#backend = backend;
    this.#codec = codec;
    this.#stages = codec.stages.filter((stage): stage is ForgettingStage => stage.forget !== undefined);
    this.#report = report;
  }

  /** Remembers the notes of tasks that were read. */
  see(...tasks: readonly (StoredTask | undefined)[]): void {
    for (const stage of this.#stages)
      for (const task of tasks)
        for (const field of PAYLOAD_FIELDS) {
          const note = noteIn(task?.[field], stage.id);
          if (task && note !== undefined) this.#known.set(keyOf(stage, task.taskId, field), note);
        }
  }

  /**
   * Makes a write. If it was certainly not applied, its notes are forgotten, and otherwise those
   * that it replaced.
   */
  async writing<T>(
    taskId: string,
    texts: StoredTexts,
    write: () => T | Promise<T>,
    applied: (outcome: T) => boolean,
  ): Promise<T> {
    try {
      const outcome = await write();
      if (applied(outcome)) this.#written(taskId, texts);
      else this.refused(taskId, texts);
      return outcome;
    } catch (error) {
      if (isTaskStoreError(error) && error.write === "not-applied") this.refused(taskId, texts);
      throw error;
    }
  }

  /** Removes tasks, and forgets their notes. */
  async removing(taskIds: readonly string[], remove: () => Promise<string[]>): Promise<string[]> {
    const found = await Promise.all(
      this.#stages.map(async (stage) => ({ stage, notes: await stagedNotes(this.#backend, stage.id, taskIds) })),
    );
    const removed = await remove();
    for (const { stage, notes } of found)
      for (const taskId of removed) this.#forget(stage, taskId, [...(notes.get(taskId) ?? [])]);
    return removed;
  }

  /** Resolves when nothing is left to forget. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #written(taskId: string, texts: StoredTexts): void {
    for (const stage of this.#stages)
      for (const [field, text] of Object.entries(texts)) {
        if (text === undefined) continue;
        const key = keyOf(stage, taskId, field);
        const before = this.#known.get(key);
        const note = noteIn(text, stage.id);
        if (note === undefined) this.#known.delete(key);
        else this.#known.set(key, note);
        if (before !== undefined && before !== note) this.#forgetUnused(stage, taskId, field, before);
      }
  }

  async #stored(taskId: string, field: string): Promise<string | null | undefined> {
    if (!isStepText(field))
      return (await this.#backend.readMany([taskId], [field as PayloadField]))[0]?.[field as PayloadField];
    const steps = await this.#backend.stepsOf?.([taskId]);
    return steps?.find(({ name }) => name === stepOf(field))?.body;
  }

  /** Forgets the notes of a write that was not applied. */
  refused(taskId: string, texts: StoredTexts): void {
    for (const stage of this.#stages)
      for (const [field, text] of Object.entries(texts)) {
        const note = noteIn(text, stage.id);
        if (note !== undefined) this.#forgetUnused(stage, taskId, field, note);
      }
  }

  /**
   * Forgets a note unless the payload has it. Two writes may be answered in another order than they
   * were made, and a client of a database may have sent a write twice, of which the second is
   * refused.
   */
  #forgetUnused(stage: ForgettingStage, taskId: string, field: string, note: string): void {
    this.#inBackground(async () => {
      if (noteIn(await this.#stored(taskId, field), stage.id) !== note)
        await stage.forget([note], { storeId: this.#codec.storeId, taskId });
    });
  }

  #forget(stage: ForgettingStage, taskId: string, notes: readonly string[]): void {
    if (notes.length > 0) this.#inBackground(() => stage.forget(notes, { storeId: this.#codec.storeId, taskId }));
  }

  /** No call waits for this, and none fails by it. */
  #inBackground(run: () => Promise<void>): void {
    const work = run()
      .catch((error) => this.#report(error))
      .finally(() => this.#pending.delete(work));
    this.#pending.add(work);
  }
}

type Texts = Pick<Patch, "inputs" | "checkpoint" | "outcome" | "step">;

/** Tells stages that no payload has these texts any more. */
export async function forgetTexts(codec: Codec, taskId: string, texts: readonly string[]): Promise<void> {
  for (const stage of codec.stages) {
    const notes = texts.map((text) => noteIn(text, stage.id)).filter((note) => note !== undefined);
    if (notes.length > 0) await stage.forget?.(notes, { storeId: codec.storeId, taskId });
  }
}

/** The texts that can leave the database, by their fields. */
export function textsOf(of: Texts | Pick<RestoredTask, PayloadField | "steps">): StoredTexts {
  const { inputs, checkpoint, outcome } = of;
  const steps = "steps" in of ? of.steps : "step" in of && of.step ? [of.step] : [];
  const texts = { inputs, checkpoint, outcome, ...("request" in of && { request: of.request }) };
  return { ...texts, ...Object.fromEntries(steps.map(({ name, body }) => [stepText(name), body])) };
}

function keyOf({ id }: PayloadStage, taskId: string, field: string): string {
  return JSON.stringify([id, taskId, field]);
}
