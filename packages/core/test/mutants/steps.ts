import { ANY_OWNER } from "@mcp-task-store/core";
import type { Guard, NewTask, Patch, RestoredTask } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

type Caps = Parameters<MutableBackend["insert"]>[1];

/** Keeps steps whatever the guard says. */
class Unfenced extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const { step, ...rest } = patch;
    if (step) this.raw.prepare("insert or replace into steps values (?, ?, ?)").run(taskId, step.name, step.body);
    return super.update(taskId, guard, rest);
  }
}

/** Changes what is written. */
function writing(change: (patch: Patch) => Patch): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      return super.update(taskId, guard, change(patch));
    }
  };
}

class OneForAll extends MutableBackend {
  override async stepsOf(taskIds: readonly string[]) {
    const all = this.raw.prepare("select name, body from steps").all() as { name: string; body: string }[];
    return taskIds.flatMap((taskId) => all.map((step) => ({ ...step, taskId })));
  }
}

class OneOnly extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    if (patch.step) this.raw.prepare("delete from steps where task_id = ?").run(taskId);
    return super.update(taskId, guard, patch);
  }
}

class Remembering extends MutableBackend {
  override async insert(task: NewTask, caps: Caps) {
    this.raw.exec("drop trigger if exists steps_end");
    const before = this.raw.prepare("select name, body from steps where task_id = ?").all(task.taskId);
    const outcome = await super.insert(task, caps);
    for (const { name, body } of before)
      this.raw
        .prepare("insert or replace into steps values (?, ?, ?)")
        .run(task.taskId, name as string, body as string);
    return outcome;
  }
}

class EvenTokens extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const written = await super.update(taskId, guard, patch);
    if (!written.applied || patch.lease?.action !== "release") return written;
    return {
      applied: true,
      task: this.mend(written.task, ({ leaseToken }) => ({ leaseToken: leaseToken + 1 })),
    } as const;
  }
}

export const stepMutants: Mutant[] = [
  {
    id: "unfenced-steps",
    breaks: "A runner that lost its lease keeps steps",
    kills: ["steps/are-fenced"],
    backend: Unfenced,
  },
  {
    id: "one-step",
    breaks: "A step replaces the one before it",
    kills: ["steps/are-kept", "steps/names"],
    backend: OneOnly,
  },
  {
    id: "steps-of-everybody",
    breaks: "Every task has the steps of all",
    kills: ["steps/are-kept"],
    backend: OneForAll,
  },
  {
    id: "visible-steps",
    breaks: "A step raises the revision",
    kills: ["steps/are-kept"],
    backend: writing((patch) => (patch.step ? { status: "working", ...patch } : patch)),
  },
  {
    id: "folded-names",
    breaks: "The names of steps ignore case",
    kills: ["steps/names"],
    backend: writing(({ step, ...patch }) =>
      step ? { ...patch, step: { ...step, name: step.name.toLowerCase() } } : patch,
    ),
  },
  {
    id: "steps-outlive-tasks",
    breaks: "A new task has the steps of an old one of its id",
    kills: ["steps/end-with-their-task"],
    backend: Remembering,
  },
  {
    id: "steps-for-all",
    breaks: "Steps are read without a look at the owner",
    kills: ["steps/isolation"],
    store: (store) => ({ readSteps: (taskId) => store.readSteps(taskId, { owner: ANY_OWNER }) }),
  },
  {
    id: "no-delay",
    breaks: "A task that was given back with a delay can be claimed at once",
    kills: ["steps/given-back-for-a-time"],
    backend: writing((patch) =>
      patch.lease?.action === "release" ? { ...patch, lease: { action: "release", leaseMs: 0 } } : patch,
    ),
  },
  {
    id: "release-keeps-nothing",
    breaks: "A release keeps neither its step nor the count of failures",
    kills: ["steps/given-back-for-a-time", "steps/lost-and-failed", "steps/move-with-their-task"],
    backend: writing(({ step, ...patch }) => (step && patch.lease?.action !== "release" ? { ...patch, step } : patch)),
  },
  {
    id: "expires-asleep",
    breaks: "A task that was given back for a time expires when the time is over",
    kills: ["steps/outlives-its-delay"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const written = await super.update(taskId, guard, patch);
        if (!written.applied || patch.lease?.action !== "release" || patch.lease.leaseMs === 0) return written;
        const task = this.mend(written.task, ({ leaseExpiresAt }) => ({ expiresAt: leaseExpiresAt }));
        return { applied: true, task } as const;
      }
    },
  },
  {
    id: "odd-after-release",
    breaks: "The token of a task that was given back looks like a runner's",
    kills: ["steps/given-back-for-a-time"],
    backend: EvenTokens,
  },
  {
    id: "import-without-steps",
    breaks: "An import leaves the steps out",
    kills: ["steps/move-with-their-task"],
    backend: class extends MutableBackend {
      override restore(tasks: readonly RestoredTask[]) {
        return super.restore(tasks.map((task) => ({ ...task, steps: [] })));
      }
    },
  },
];
