import { isTerminal } from "@mcp-task-store/core";
import { applyPatch, type Guard, guardHolds, type Patch, withPayloads } from "@mcp-task-store/core/backend";
import { everyMethod, MutableBackend, type Mutant, pause } from "./mutant.ts";

/** Reads, waits, and then writes from the outdated read. */
class Racy extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    if (!task || !guardHolds(task, guard, this.now())) return super.update(taskId, guard, patch);
    await pause();
    return { applied: true, task: withPayloads(this.put(applyPatch(task, patch, this.now()))) } as const;
  }
}

class Reviving extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    if (!task || !isTerminal(task.status)) return super.update(taskId, guard, patch);
    return { applied: true, task: withPayloads(this.put(applyPatch(task, patch, this.now()))) } as const;
  }
}

class TwoSteps extends MutableBackend {
  #begun = 0;

  override async update(taskId: string, guard: Guard, patch: Patch) {
    const { outcome, ...first } = patch;
    if (outcome === undefined) return super.update(taskId, guard, patch);
    const written = await super.update(taskId, guard, first);
    if (!written.applied) return written;
    this.#begun += 1;
    // A process killed at the first acknowledgement leaves the other writes half done.
    await pause(this.#begun === 1 ? undefined : 5000);
    return {
      applied: true,
      task: this.mend(written.task, ({ revision }) => ({ outcome, revision: revision + 1 })),
    } as const;
  }
}

class Unrevised extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const written = await super.update(taskId, guard, patch);
    if (!written.applied || patch.statusMessage === undefined) return written;
    return { applied: true, task: this.mend(written.task, ({ revision }) => ({ revision: revision - 1 })) } as const;
  }
}

class Belated extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const before = this.peek(taskId);
    const written = await super.update(taskId, guard, patch);
    return written.applied && before ? ({ applied: true, task: withPayloads(before) } as const) : written;
  }
}

export const stateMutants: Mutant[] = [
  {
    id: "all-or-nothing",
    breaks: "One failing call fails all calls made together",
    kills: ["races/own-outcomes"],
    store(store) {
      let together: Promise<unknown>[] = [];
      return everyMethod(store, async (call) => {
        if (together.length === 0) queueMicrotask(() => (together = []));
        const batch = together;
        const outcome = call();
        batch.push(outcome);
        // Waits until the last call of the turn was made.
        await Promise.resolve();
        await Promise.all(batch);
        return outcome;
      });
    },
  },
  {
    id: "answers-of-one-field",
    breaks: "An update of several fields answers with the message of before",
    kills: ["states/several-fields"],
    store: (store) => ({
      async updateTask(taskId, patch, options) {
        const before = await store.getTask(taskId);
        const answer = await store.updateTask(taskId, patch, options);
        if (patch.checkpoint === undefined || patch.statusMessage === undefined) return answer;
        return { ...answer, task: { ...answer.task, statusMessage: before?.statusMessage ?? "" } };
      },
    }),
  },
  {
    id: "strict-transitions",
    breaks: "A task that asks for input cannot end",
    kills: ["states/active-may-go-anywhere"],
    store: (store) => ({
      async updateTaskStatus(taskId, status, ...rest) {
        const task = await store.getTask(taskId);
        if (task?.status === "input_required" && status === "completed") throw new Error("Not a valid transition");
        return store.updateTaskStatus(taskId, status, ...rest);
      },
    }),
  },
  {
    id: "empty-is-undefined",
    breaks: "An empty status message counts as none",
    kills: ["states/progress"],
    store: (store) => ({
      updateTaskStatus: (taskId, status, text, ...rest) =>
        store.updateTaskStatus(taskId, status, text || undefined, ...rest),
    }),
  },
  {
    id: "message-cleared",
    breaks: "An undefined status message clears the old one",
    kills: ["states/undefined-message-stays"],
    store: (store) => ({
      updateTaskStatus: (taskId, status, text = "", ...rest) => store.updateTaskStatus(taskId, status, text, ...rest),
    }),
  },
  {
    id: "unrevised",
    breaks: "Progress does not raise the revision",
    kills: ["states/revision-grows", "states/concurrent-progress"],
    backend: Unrevised,
  },
  {
    id: "reviving",
    breaks: "Terminal tasks can be written",
    kills: [
      "terminal/is-immutable",
      "terminal/result-stays",
      "terminal/error-says-status",
      "states/progress-after-cancel",
      "errors/cancel-terminal",
      "errors/words-of-the-sdk",
      "errors/one-class",
      "waiting/cancel-reaches-the-runner",
      "running/late-progress-is-harmless",
      "processes/cancel-reaches-the-runner",
    ],
    backend: Reviving,
  },
  {
    id: "two-steps",
    breaks: "Completion takes two writes",
    kills: ["states/one-step", "states/no-status-without-result", "crash/no-half-writes"],
    backend: TwoSteps,
  },
  {
    id: "racy-updates",
    breaks: "Updates read, modify and write in separate steps",
    kills: [
      "races/one-terminal-write-wins",
      "races/cancel-or-complete",
      "races/one-lease",
      "races/one-answer-per-key",
      "races/answers-to-many-keys",
      "races/questions",
      "states/concurrent-progress",
      "processes/one-terminal-write-wins",
      "processes/cancel-or-complete",
      "processes/one-lease",
      "processes/one-answer-per-key",
    ],
    backend: Racy,
  },
  {
    id: "belated",
    breaks: "A write returns the task as it was before",
    kills: ["states/update-says-what-is", "states/cancel", "leases/acquire"],
    backend: Belated,
  },
  {
    id: "any-status",
    breaks: "An invalid status counts as `working`",
    kills: ["states/what-is-no-status"],
    store: (store) => ({
      updateTaskStatus: (taskId, status, ...rest) =>
        store.updateTaskStatus(
          taskId,
          typeof status === "string" && /^[a-z_]+$/.test(status) && status !== ("done" as string) ? status : "working",
          ...rest,
        ),
    }),
  },
  {
    id: "empty-result",
    breaks: "The result of a task without one is empty",
    kills: ["states/ended-without-result", "errors/result-not-ready", "errors/words-of-the-sdk"],
    store: (store) => ({
      getTaskResult: (...args) =>
        store.getTaskResult(...args).catch((error) => {
          if (error.code === "RESULT_NOT_READY") return {};
          throw error;
        }),
    }),
  },
  {
    id: "failed-throws",
    breaks: "The result of a failed task is thrown",
    kills: ["states/failed-with-result"],
    store: (store) => ({
      async getTaskResult(taskId, sessionId) {
        const result = await store.getTaskResult(taskId, sessionId);
        if (result["isError"]) throw new Error("The task failed");
        return result;
      },
    }),
  },
  {
    id: "silent",
    breaks: "An update of an unknown task does nothing",
    kills: ["errors/not-found", "isolation/foreign-update-task-status", "expiry/gone-for-every-call"],
    store: (store) => ({
      updateTaskStatus: (...args) =>
        store.updateTaskStatus(...args).catch((error) => {
          if (error.code !== "TASK_NOT_FOUND") throw error;
        }),
    }),
  },
  {
    id: "own-words",
    breaks: "Errors have messages of their own",
    kills: ["errors/words-of-the-sdk"],
    store: (store) =>
      everyMethod(store, (call) =>
        call().catch((error) => {
          throw Object.assign(error, { message: "Something is wrong" });
        }),
      ),
  },
  {
    id: "plain-errors",
    breaks: "Errors are of the class Error",
    kills: ["errors/one-class", "errors/not-found"],
    store: (store) =>
      everyMethod(store, (call) =>
        call().catch((error) => {
          throw new Error(error.message, { cause: error });
        }),
      ),
  },
  {
    id: "internal-errors",
    breaks: "A stored JSON-RPC error is thrown as an internal one",
    kills: ["errors/json-rpc", "running/keeps-the-error"],
    store: (store) => ({
      getTaskResult: (...args) =>
        store.getTaskResult(...args).catch((error) => {
          throw typeof error.code === "number" ? Object.assign(new Error(error.message), { code: -32603 }) : error;
        }),
    }),
  },
  {
    id: "talkative",
    breaks: "Messages hold the arguments of the call",
    kills: ["errors/tell-no-secrets"],
    store: (store) =>
      everyMethod(store, (call, name, args) =>
        call().catch((error) => {
          const text = JSON.stringify(args, (_, value) => (typeof value === "bigint" ? 0 : value));
          throw Object.assign(error, { message: `${error.message}: ${name}(${text})` });
        }),
      ),
  },
  {
    id: "lenient-results",
    breaks: "A missing result is stored as an empty one",
    kills: ["errors/refused-arguments", "payloads/what-is-not-json"],
    store: (store) => ({
      storeTaskResult: (taskId, status, result, ...rest) =>
        store.storeTaskResult(taskId, status, typeof result === "object" ? result : {}, ...rest),
    }),
  },
  {
    id: "lenient-options",
    breaks: "A page size of 0 counts as the default",
    kills: ["errors/refused-options"],
    options: ({ pageSize, ...options }) => (pageSize ? { ...options, pageSize } : options),
  },
  {
    id: "unknown-options-are-ignored",
    breaks: "A call ignores options that it does not have",
    kills: ["errors/unknown-options"],
    store: (store) => ({
      awaitInput: (taskId, name, { owner, signal, timeoutMs } = {}) =>
        store.awaitInput(taskId, name, { owner, signal, timeoutMs: timeoutMs ?? 1 }),
    }),
  },
];
