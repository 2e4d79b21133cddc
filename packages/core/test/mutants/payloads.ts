import { type Result, TaskStoreError } from "@mcp-task-store/core";
import type { Mutant } from "./mutant.ts";

/** Changes the JSON text of results before they are stored. */
function onText(change: (text: string) => string): NonNullable<Mutant["store"]> {
  return (store) => ({
    storeTaskResult: (taskId, status, result, sessionId) =>
      store.storeTaskResult(
        taskId,
        status,
        result && (JSON.parse(change(JSON.stringify(result))) as Result),
        sessionId,
      ),
  });
}

/** Changes each value of results before they are stored. */
function onValues(change: (value: unknown) => unknown): NonNullable<Mutant["store"]> {
  const copy = (value: unknown): unknown => {
    const changed = change(value);
    if (Array.isArray(changed)) return changed.map(copy);
    if (typeof changed !== "object" || changed === null) return changed;
    return Object.fromEntries(Object.entries(changed).map(([key, inner]) => [key, copy(inner)]));
  };
  return (store) => ({
    storeTaskResult: (taskId, status, result, sessionId) =>
      store.storeTaskResult(taskId, status, copy(result) as Result, sessionId),
  });
}

function depth(value: unknown): number {
  return typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Large results that are being read. */
let reading = 0;

export const payloadMutants: Mutant[] = [
  {
    id: "no-nul",
    breaks: "NUL is dropped",
    kills: ["payloads/nul"],
    store: onText((text) => text.replaceAll("\\u0000", "")),
  },
  {
    id: "well-formed",
    breaks: "Lone surrogates are replaced",
    kills: ["payloads/lone-surrogates"],
    store: onText((text) => text.replaceAll(/\\ud[89a-f]../g, "\\ufffd")),
  },
  {
    id: "copied-by-assignment",
    breaks: "Objects are copied by assignment",
    kills: ["payloads/proto-keys"],
    store: onValues((value) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      const copy: Record<string, unknown> = {};
      for (const [key, inner] of Object.entries(value)) copy[key] = inner;
      return copy;
    }),
  },
  {
    id: "shallow",
    breaks: "Nesting has a limit of 100",
    kills: ["payloads/deep-nesting"],
    store: (store) => ({
      async storeTaskResult(taskId, status, result, sessionId) {
        if (depth(result) > 100) throw new Error("Too deep");
        return store.storeTaskResult(taskId, status, result, sessionId);
      },
    }),
  },
  {
    id: "single-precision",
    breaks: "Numbers have single precision",
    kills: ["payloads/numbers"],
    store: onValues((value) => (typeof value === "number" && Math.abs(value) < 1e38 ? Math.fround(value) : value)),
  },
  {
    id: "latin-1",
    breaks: "Texts are Latin-1",
    kills: ["payloads/unicode"],
    store: onText((text) => Buffer.from(text, "latin1").toString("latin1")),
  },
  {
    id: "escaped-twice",
    breaks: "Quotes are doubled",
    kills: ["payloads/escapes"],
    store: onText((text) => text.replaceAll("'", "''")),
  },
  {
    id: "no-empty-values",
    breaks: "Empty values become null",
    kills: ["payloads/empty"],
    store: onValues((value) => (value === "" ? null : value)),
  },
  {
    id: "sorted-keys",
    breaks: "Keys are sorted",
    kills: ["payloads/key-order"],
    store: onValues(sorted),
  },
  {
    id: "small-results",
    breaks: "A result is cut at 1 MB",
    kills: ["payloads/large"],
    store: onValues((value) => (typeof value === "string" ? value.slice(0, 1e6) : value)),
  },
  {
    id: "short-messages",
    breaks: "A status message is cut at 10,000 characters",
    kills: ["payloads/status-message"],
    store: (store) => ({
      updateTaskStatus: (taskId, status, text, ...rest) =>
        store.updateTaskStatus(taskId, status, text?.slice(0, 10_000), ...rest),
    }),
  },
  {
    id: "undefined-is-null",
    breaks: "undefined becomes null",
    kills: ["payloads/undefined-properties"],
    store: onValues((value) => (value === undefined ? null : value)),
  },
  {
    id: "as-json-does",
    breaks: "A value that is not JSON becomes null",
    kills: ["payloads/what-is-not-json"],
    store: onValues((value) => (typeof value === "number" && !Number.isFinite(value) ? null : value)),
  },
  {
    id: "maps-are-empty",
    breaks: "A value that JSON would empty is stored empty",
    kills: ["payloads/what-json-would-empty"],
    store: onText((text) => text),
  },
  {
    id: "places-are-not-named",
    breaks: "The error does not name the place",
    kills: ["payloads/what-json-would-empty"],
    store: (store) => ({
      updateTask: (...args) =>
        store.updateTask(...args).catch((error: TaskStoreError) => {
          throw new TaskStoreError(error.code, error.message.replace(/ at .*/, ""));
        }),
    }),
  },
  {
    id: "plain-objects-only",
    breaks: "An instance of a class is refused",
    kills: ["payloads/what-json-can-say"],
    store: onValues((value) => {
      if (typeof value === "object" && value !== null && "sum" in value)
        throw new TaskStoreError("INVALID_ARGUMENT", "");
      return value;
    }),
  },
  {
    id: "few-results-at-once",
    breaks: "A result that is read while several others are comes as an error",
    kills: ["payloads/large-at-once"],
    store: (store) => ({
      async getTaskResult(...args) {
        reading += 1;
        try {
          const result = await store.getTaskResult(...args);
          if (reading > 4) throw new TaskStoreError("BACKEND_UNAVAILABLE", "later");
          return result;
        } finally {
          reading -= 1;
        }
      },
    }),
  },
];
