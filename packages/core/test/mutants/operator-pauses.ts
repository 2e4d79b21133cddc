import { type ClaimQuery, type Guard, type Patch, withPayloads } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

type Pauses = Parameters<MutableBackend["pauses"]>[0];

/** A backend with pauses of its own, each in the set that `pausedOf` gives. */
function pausing(pausedOf: (backend: MutableBackend) => Set<string>): typeof MutableBackend {
  return class extends MutableBackend {
    override async pauses({ pause, resume }: Pauses) {
      const paused = pausedOf(this);
      for (const name of pause) paused.add(name);
      for (const name of resume) paused.delete(name);
      return [...paused];
    }
    override async claim(query: ClaimQuery) {
      const names = query.names.filter((name) => !pausedOf(this).has(name));
      return names.length === 0 ? [] : super.claim({ ...query, names });
    }
  };
}

const ofHandles = new WeakMap<object, Set<string>>();
const ofFiles = new Map<string, Set<string>>();

function setOf<Key>(
  sets: { get(key: Key): Set<string> | undefined; set(key: Key, set: Set<string>): unknown },
  key: Key,
) {
  const known = sets.get(key);
  if (known) return known;
  const made = new Set<string>();
  sets.set(key, made);
  return made;
}

class PausesEnd extends MutableBackend {
  readonly #own = new Set<string>();
  override async pauses(change: Pauses) {
    for (const name of change.pause) this.#own.add(name);
    return super.pauses(change);
  }
  override async close() {
    if (this.#own.size > 0) await super.pauses({ pause: [], resume: [...this.#own] });
    await super.close();
  }
}

class PausesOnce extends MutableBackend {
  override async pauses(change: Pauses) {
    const paused = await super.pauses({ pause: [], resume: [] });
    if (change.pause.some((name) => paused.includes(name))) throw new Error("UNIQUE constraint failed: paused.name");
    return super.pauses(change);
  }
}

class PausesStopRunners extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    const paused = await this.pauses({ pause: [], resume: [] });
    if (task && patch.lease?.action === "take" && paused.includes(task.name))
      return { applied: false, task: withPayloads(task) } as const;
    return super.update(taskId, guard, patch);
  }
}

export const operatorPauseMutants: Mutant[] = [
  {
    id: "pauses-of-a-handle",
    breaks: "Only the handle that paused a name claims none of its tasks",
    kills: ["operators/pause", "operators/pause-of-processes"],
    backend: pausing((backend) => setOf(ofHandles, backend)),
  },
  {
    id: "pauses-of-a-process",
    breaks: "Only the process that paused a name claims none of its tasks",
    kills: ["operators/pause-of-processes"],
    backend: pausing((backend) => setOf(ofFiles, backend.file)),
  },
  {
    id: "pauses-are-notes",
    breaks: "Names are paused, and claimed",
    kills: ["operators/pause", "operators/pause-of-processes"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        const paused = this.raw.prepare("select name from paused").all();
        this.raw.exec("delete from paused");
        const claimed = await super.claim(query);
        for (const { name } of paused) this.raw.prepare("insert into paused values (?)").run(name as string);
        return claimed;
      }
    },
  },
  {
    id: "pauses-of-whole-claims",
    breaks: "A claim of several names finds nothing while one of them is paused",
    kills: ["operators/pause"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        const paused = await this.pauses({ pause: [], resume: [] });
        return query.names.some((name) => paused.includes(name)) ? [] : super.claim(query);
      }
    },
  },
  {
    id: "pauses-stop-runners",
    breaks: "No runner can take a task of a paused name by its id",
    kills: ["operators/pause"],
    backend: PausesStopRunners,
  },
  {
    id: "pauses-end-with-their-handle",
    breaks: "A pause ends when the handle that made it closes",
    kills: ["operators/pause"],
    backend: PausesEnd,
  },
  {
    id: "pauses-once",
    breaks: "A name that is paused cannot be paused again",
    kills: ["operators/pause"],
    backend: PausesOnce,
  },
  {
    id: "resumes-all",
    breaks: "One name that is resumed resumes all",
    kills: ["operators/pause"],
    backend: class extends MutableBackend {
      override async pauses({ pause, resume }: Pauses) {
        const all = resume.length > 0 ? await super.pauses({ pause: [], resume: [] }) : [];
        return super.pauses({ pause, resume: [...resume, ...all] });
      }
    },
  },
];
