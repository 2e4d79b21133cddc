import { randomInt } from "node:crypto";
import type { ObjectPage, ObjectStorage, StagedTasks } from "../contract/codec.ts";
import { keyOfNote, storePrefix, taskOfKey } from "./object-keys.ts";

/** Most objects of one page. */
const PAGE = 1000;
/** Most pages of one sweep. It goes on after the first only while it finds something to delete. */
const PAGES = 10;
/** Most deletions that are on their way at once. */
const DELETIONS = 8;

/**
 * Deletes objects to which no task refers: those of expired tasks, and those of a process that died
 * between the writing of an object and that of its task.
 *
 * An object has a new random key, and one payload refers to it from one write on. So an object that
 * is older than the grace, and to which no payload refers, will never be referred to. Age is
 * counted by the storage's clock alone.
 */
export class ObjectSweep {
  readonly #storage: ObjectStorage;
  readonly #graceMs: number;
  /** The key where the next sweep of a store goes on; `undefined` = at the beginning. */
  readonly #after = new Map<string, string | undefined>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(storage: ObjectStorage, graceMs: number) {
    this.#storage = storage;
    this.#graceMs = graceMs;
  }

  /** Looks at the next objects of a store. A sweep that is running counts for all callers. */
  run(tasks: StagedTasks): Promise<void> {
    const { storeId } = tasks;
    let running = this.#running.get(storeId);
    if (!running) {
      running = this.#pages(tasks).finally(() => this.#running.delete(storeId));
      this.#running.set(storeId, running);
    }
    return running;
  }

  async #pages(tasks: StagedTasks): Promise<void> {
    const { storeId } = tasks;
    const prefix = storePrefix(storeId);
    // Processes begin at different places, so that each sees objects that the others do not.
    if (!this.#after.has(storeId)) this.#after.set(storeId, `${prefix}${randomInt(256).toString(16).padStart(2, "0")}`);
    for (let page = 0; page < PAGES; page += 1) {
      const after = this.#after.get(storeId);
      const found = await this.#storage.list({ prefix, after, limit: PAGE });
      // Before anything can fail, so that one bad page does not hold up the others.
      this.#after.set(storeId, found.more ? found.objects.at(-1)?.key : undefined);
      const deleted = await this.#deleteIn(found, tasks);
      const wasWhole = after === undefined && !found.more;
      // After the last page comes the first one, which has most objects of a small storage.
      if (wasWhole || (deleted === 0 && found.more)) return;
    }
  }

  async #deleteIn({ objects, now }: ObjectPage, tasks: StagedTasks): Promise<number> {
    const old: { key: string; taskId: string }[] = [];
    for (const { key, writtenAt } of objects) {
      const taskId = taskOfKey(key);
      if (taskId !== undefined && now - writtenAt > this.#graceMs) old.push({ key, taskId });
    }
    if (old.length === 0) return 0;
    const notes = await tasks.notes([...new Set(old.map(({ taskId }) => taskId))]);
    const inUse = new Set<string | undefined>();
    for (const [taskId, ofTask] of notes) for (const note of ofTask) inUse.add(keyOfNote(tasks.storeId, taskId, note));
    const orphans = old.filter(({ key }) => !inUse.has(key));
    await inParallel(orphans, ({ key }) => this.#storage.delete(key));
    return orphans.length;
  }
}

async function inParallel<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(
    Array.from({ length: DELETIONS }, async () => {
      for (const one of left) await run(one);
    }),
  );
}
