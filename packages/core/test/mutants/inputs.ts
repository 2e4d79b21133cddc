import { TaskStoreError } from "@mcp-task-store/core";
import type { Guard, Patch } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, never } from "./mutant.ts";

interface Input {
  key: string;
  response?: unknown;
}

/** A backend that changes each patch with inputs. */
function onInputs(change: (inputs: Input[], patch: Patch) => Partial<Patch>): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      if (patch.inputs === undefined) return super.update(taskId, guard, patch);
      return super.update(taskId, guard, { ...patch, ...change(JSON.parse(patch.inputs) as Input[], patch) });
    }
  };
}

/** Reads an ended task as active, so the later write is refused. */
class Forgetful extends MutableBackend {
  override async read(...args: Parameters<MutableBackend["read"]>) {
    const task = await super.read(...args);
    return task && args[2].includes("inputs") ? { ...task, status: "working" as const } : task;
  }
}

export const inputMutants: Mutant[] = [
  {
    id: "answers-after-the-end",
    breaks: "Answers to a terminal task are sent to the backend",
    kills: ["inputs/late-answer"],
    backend: Forgetful,
  },
  {
    id: "one-question",
    breaks: "A new question replaces the one before",
    kills: ["inputs/are-visible", "inputs/partial-answer", "races/questions"],
    backend: onInputs((inputs) => ({ inputs: JSON.stringify(inputs.slice(-1)) })),
  },
  {
    id: "any-answer-resumes",
    breaks: "Any answer makes the task `working`",
    kills: ["inputs/partial-answer"],
    backend: onInputs((inputs, { status }) =>
      inputs.some(({ response }) => response !== undefined) ? { status: "working" } : { status: status ?? "working" },
    ),
  },
  {
    id: "never-resumes",
    breaks: "The last answer leaves the task `input_required`",
    kills: [
      "inputs/last-answer",
      "inputs/any-answer",
      "inputs/odd-keys",
      "inputs/asking-again",
      "races/answers-to-many-keys",
      "processes/one-answer-per-key",
    ],
    backend: onInputs(() => ({ status: "input_required" })),
  },
  {
    id: "questions-do-not-show",
    breaks: "A question leaves the task `working`",
    kills: ["inputs/are-visible", "inputs/last-answer", "running/input-survives"],
    backend: onInputs(() => ({ status: "working" })),
  },
  {
    id: "all-keys-taken",
    breaks: "The call reports every answer as accepted",
    kills: [
      "inputs/others-are-ignored",
      "inputs/late-answer",
      "races/one-answer-per-key",
      "processes/one-answer-per-key",
    ],
    store: (store) => ({
      async provideInputs(taskId, responses, options) {
        await store.provideInputs(taskId, responses, options);
        return Object.keys(responses);
      },
    }),
  },
  {
    id: "unknown-keys-are-refused",
    breaks: "An unknown key is an error",
    kills: ["inputs/others-are-ignored", "inputs/late-answer"],
    store: (store) => ({
      async provideInputs(taskId, responses, options) {
        const taken = await store.provideInputs(taskId, responses, options);
        if (taken.length < Object.keys(responses).length) throw new TaskStoreError("INVALID_ARGUMENT", "Unknown key");
        return taken;
      },
    }),
  },
  {
    id: "asks-for-ever",
    breaks: "A terminal task still shows its questions",
    kills: ["inputs/gone-when-terminal"],
    store(store) {
      const asked = new Map<string, Parameters<typeof store.requestInputs>[1]>();
      return {
        requestInputs(taskId, requests, options) {
          asked.set(taskId, requests);
          return store.requestInputs(taskId, requests, options);
        },
        async getRecord(taskId, options) {
          const record = await store.getRecord(taskId, options);
          return record && { ...record, inputRequests: asked.get(taskId) ?? {} };
        },
      };
    },
  },
  {
    id: "keys-are-reused",
    breaks: "Another question under an old key is accepted",
    kills: ["inputs/key-is-used-once"],
    store: (store) => ({
      requestInputs: (taskId, requests, options) =>
        store.requestInputs(taskId, requests, options).catch((error) => {
          if (error.code !== "INVALID_ARGUMENT") throw error;
          return store.waitForTask(taskId, { until: "change" });
        }),
    }),
  },
  {
    id: "no-asking-again",
    breaks: "The same question cannot be asked again",
    kills: ["inputs/asking-again", "running/input-survives"],
    store: (store) => ({
      async requestInputs(taskId, requests, options) {
        const before = await store.waitForTask(taskId, { until: "change", owner: options?.owner });
        const after = await store.requestInputs(taskId, requests, options);
        if (after.revision === before.revision) throw new TaskStoreError("INVALID_ARGUMENT", "Asked already");
        return after;
      },
    }),
  },
  {
    id: "answers-in-memory",
    breaks: "Answers stay in the process that accepted them",
    kills: [
      "inputs/answer-reaches-the-runner",
      "inputs/answers-stay",
      "running/input-survives",
      "processes/answer-reaches-the-runner",
      "crash/everything-survives",
      "crash/take-over",
    ],
    store(store) {
      const mine = new Set<string>();
      return {
        async provideInputs(taskId, ...rest) {
          const taken = await store.provideInputs(taskId, ...rest);
          for (const key of taken) mine.add(`${taskId} ${key}`);
          return taken;
        },
        async awaitInput(taskId, key, ...rest) {
          const answer = await store.awaitInput(taskId, key, ...rest);
          return mine.has(`${taskId} ${key}`) ? answer : never;
        },
      };
    },
  },
  {
    id: "answers-once",
    breaks: "An answer can be read only once",
    kills: ["inputs/answers-stay", "inputs/answer-reaches-the-runner"],
    store(store) {
      const had = new Set<string>();
      return {
        async awaitInput(taskId, key, ...rest) {
          const answer = await store.awaitInput(taskId, key, ...rest);
          if (had.has(`${taskId} ${key}`)) return never;
          had.add(`${taskId} ${key}`);
          return answer;
        },
      };
    },
  },
  {
    id: "waits-past-the-end",
    breaks: "A wait for input outlives the task",
    kills: ["inputs/end-ends-the-wait"],
    store: (store) => ({
      awaitInput: (...args) =>
        store.awaitInput(...args).catch((error) => {
          if (error.code === "TASK_TERMINAL") return never;
          throw error;
        }),
    }),
  },
  {
    id: "waits-for-the-unasked",
    breaks: "A wait for the answer to a key without a question hangs",
    kills: ["inputs/never-asked"],
    store: (store) => ({
      awaitInput: (...args) =>
        store.awaitInput(...args).catch((error) => {
          if (error.code === "INVALID_ARGUMENT") return never;
          throw error;
        }),
    }),
  },
  {
    id: "keys-by-assignment",
    breaks: "Keys are copied by assignment",
    kills: ["inputs/odd-keys"],
    store: (store) => ({
      requestInputs: (taskId, requests, options) => {
        const copy: typeof requests = {};
        for (const [key, request] of Object.entries(requests)) copy[key] = request;
        return store.requestInputs(taskId, copy, options);
      },
    }),
  },
  {
    id: "truthy-answers",
    breaks: "null, false, 0 and the empty string are refused as answers",
    kills: ["inputs/any-answer"],
    store: (store) => ({
      provideInputs: (taskId, responses, options) =>
        store.provideInputs(
          taskId,
          Object.fromEntries(Object.entries(responses).filter(([, answer]) => answer)),
          options,
        ),
    }),
  },
];
