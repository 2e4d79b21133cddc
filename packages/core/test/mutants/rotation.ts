import { isStepText, type Rewrite } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

/** A backend whose rewrites leave out these texts, and say that they did not. */
function rewritingOnly(takes: (text: Rewrite) => boolean): typeof MutableBackend {
  return class extends MutableBackend {
    override async rewrite(taskId: string, texts: readonly Rewrite[]) {
      const done = await super.rewrite(taskId, texts.filter(takes));
      return texts.map((text) => !takes(text) || done.length > 0);
    }
  };
}

/** Replaces what is there, whatever was read. */
class Blind extends MutableBackend {
  override async rewrite(taskId: string, texts: readonly Rewrite[]) {
    const [task] = await this.readMany([taskId], ["request", "inputs", "checkpoint", "outcome", "history"]);
    const steps = await this.stepsOf([taskId]);
    const present = texts.map((text) => {
      const { field } = text;
      if (field === "message") return text;
      const from = isStepText(field) ? steps.find(({ name }) => `step:${name}` === field)?.body : task?.[field];
      return { ...text, from: from ?? text.from };
    });
    return super.rewrite(taskId, present);
  }
}

/** Puts a message back that was taken meanwhile. */
class PutsBack extends MutableBackend {
  override async rewrite(taskId: string, texts: readonly Rewrite[]) {
    const done = await super.rewrite(taskId, texts);
    for (const [index, { field, to }] of texts.entries())
      if (field === "message" && !done[index]) await this.push(taskId, to, null, 3_600_000);
    return done;
  }
}

class Touches extends MutableBackend {
  override async rewrite(taskId: string, texts: readonly Rewrite[]) {
    const change =
      "update tasks set record = json_set(record, '$.revision', json_extract(record, '$.revision') + 1) where task_id = ?";
    this.raw.prepare(change).run(taskId);
    return super.rewrite(taskId, texts);
  }
}

/** Puts a rewritten message at the end of its queue. */
class MovesToTheEnd extends MutableBackend {
  override async rewrite(taskId: string, texts: readonly Rewrite[]) {
    const done = await super.rewrite(taskId, texts);
    for (const { field, to } of texts) {
      if (field !== "message") continue;
      const queue = await this.shift(taskId, null);
      const others = queue.filter((each) => each !== to);
      for (const each of [...others, to]) await this.push(taskId, each, null, 3_600_000);
    }
    return done;
  }
}

class TurnsQueue extends MutableBackend {
  override async rewrite(taskId: string, texts: readonly Rewrite[]) {
    const done = await super.rewrite(taskId, texts);
    if (texts.some(({ field }) => field === "message")) {
      const queue = await this.shift(taskId, null);
      for (const message of queue.toReversed()) await this.push(taskId, message, null, 3_600_000);
    }
    return done;
  }
}

export const rotationMutants: Mutant[] = [
  {
    id: "rewrite-blind",
    breaks: "A rotation undoes writes that come before its own",
    kills: ["rotation/in-use"],
    backend: Blind,
  },
  {
    id: "rewrite-puts-messages-back",
    breaks: "A rotation puts messages back that were taken meanwhile",
    kills: ["rotation/in-use"],
    backend: PutsBack,
  },
  {
    id: "rewrite-touches",
    breaks: "A rotation is a change that requestors see",
    kills: ["rotation/every-payload"],
    backend: Touches,
  },
  {
    id: "rewrite-turns-queue",
    breaks: "A rotation puts messages in another order",
    kills: ["rotation/every-payload"],
    backend: TurnsQueue,
  },
  {
    id: "rewrite-moves-messages",
    breaks: "A message that is rotated goes to the end of its queue",
    kills: ["rotation/half-done"],
    backend: MovesToTheEnd,
  },
  {
    id: "rewrite-without-steps",
    breaks: "A rotation leaves steps out",
    kills: ["rotation/every-payload", "rotation/in-use"],
    backend: rewritingOnly(({ field }) => !isStepText(field)),
  },
  {
    id: "rewrite-without-history",
    breaks: "A rotation leaves the errors of histories out",
    kills: ["rotation/every-payload"],
    backend: rewritingOnly(({ field }) => field !== "history"),
  },
  {
    id: "rewrite-says-yes",
    breaks: "A backend says that it has rewritten a text that another caller has changed",
    kills: ["rotation/in-use"],
    backend: class extends MutableBackend {
      override async rewrite(taskId: string, texts: readonly Rewrite[]) {
        await super.rewrite(taskId, texts);
        return texts.map(() => true);
      }
    },
  },
];
