// The operations of a history: calls on one task or one queue, and their answers.
import type { Timed } from "./checker.ts";

type Fenced = { readonly token?: number | undefined };

type ReadMethod = "getTask" | "getRecord" | "listTasks" | "subscribe" | "operations.getRecord";

/** A call for a task, with what matters of its arguments. Texts are distinct in each call. */
export type TaskCall =
  | {
      readonly do: "create";
      readonly ttl: number | null;
      readonly claimAfterMs: number;
      readonly grain: number;
      /** Under a `dedupeKey`. */
      readonly once: boolean;
    }
  | { readonly do: "read"; readonly by: ReadMethod }
  /** As a caller with another owner. */
  | { readonly do: "readAsOther" }
  | { readonly do: "readResult"; readonly by: "getTaskResult" | "waitForResult" }
  | { readonly do: "readSteps" }
  | { readonly do: "awaitInput"; readonly key: string }
  | { readonly do: "wait"; readonly after: number }
  | ({
      readonly do: "update";
      readonly status?: string | undefined;
      readonly message?: string | undefined;
      readonly checkpoint?: string | undefined;
      readonly step?: readonly [name: string, result: string] | undefined;
    } & Fenced)
  | ({ readonly do: "finish"; readonly status: string; readonly outcome: string } & Fenced)
  | { readonly do: "cancel"; readonly message: string }
  | ({ readonly do: "ask"; readonly key: string; readonly question: string } & Fenced)
  | { readonly do: "answer"; readonly key: string; readonly text: string; readonly operator: boolean }
  | { readonly do: "acquire" | "claim"; readonly leaseMs: number }
  | ({ readonly do: "renew"; readonly leaseMs: number } & Fenced)
  | ({
      readonly do: "release";
      readonly delayMs: number;
      readonly failures?: number | undefined;
      readonly step?: readonly [name: string, result: string] | undefined;
    } & Fenced)
  /** A sweep deletes expired tasks, and tells of none. */
  | { readonly do: "requeue" | "remove" | "sweep" };

export type QueueCall =
  | { readonly do: "enqueue"; readonly item: number; readonly most: number }
  | { readonly do: "dequeue" }
  | { readonly do: "dequeueAll" };

/** A call about the claims of a task's name. */
export interface PauseCall {
  readonly do: "pause" | "resume" | "readPaused";
}

/** A call for one task of an owner whose active tasks have a cap. */
export type CapCall =
  | { readonly do: "createCapped" | "removeCapped" | "readCapped"; readonly item: number }
  /** Runs `first` again as `item`. */
  | { readonly do: "rerunCapped"; readonly item: number; readonly first: number }
  | { readonly do: "endCapped"; readonly item: number; readonly by: "cancelTask" | "storeTaskResult" };

/** Milliseconds by the database's clock, between which something happened. */
export type Span = readonly [earliest: number, latest: number];

export type Call = TaskCall | PauseCall | QueueCall | CapCall;

/** What a caller saw. `null`: there is none. */
export type Seen = Readonly<Record<string, string | number | boolean | null>>;

/** `unknown`: the call was made, and its answer was lost. */
export type Answer = { readonly seen: Seen } | { readonly error: string } | "unknown";

/** An operation on one task with its name, one queue, or one owner with a cap. */
export interface Operation<Kind extends Call = Call> extends Timed {
  readonly register: string;
  readonly process: number;
  readonly call: Kind;
  readonly answer: Answer;
  /** The token of a lease that the call took, where the answer does not have it. */
  readonly token?: number | undefined;
  /** When it took effect, by the database's clock. */
  readonly time: Span;
}

export function isRead({ do: what }: Call): boolean {
  return what.startsWith("read") || what === "wait" || what === "awaitInput";
}

export function isCapCall(call: Call): call is CapCall {
  return call.do.endsWith("Capped");
}

export function isQueueCall(call: Call): call is QueueCall {
  return call.do === "enqueue" || call.do === "dequeue" || call.do === "dequeueAll";
}
