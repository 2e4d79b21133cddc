import { randomUUID } from "node:crypto";
import type { BulkOutcome } from "@mcp-task-store/core";
import type { Action } from "./access.ts";
import { codeOf } from "./failures.ts";

/** What an act is about: a task, all tasks of a filter, or a name. */
export type AuditTarget =
  | { taskId: string; filter?: undefined; name?: undefined }
  | { filter: string; taskId?: undefined; name?: undefined }
  | { name: string; taskId?: undefined; filter?: undefined };

/** An act of an operator, before and after it. */
export type AuditEntry = {
  /** The same for all entries of one act. */
  id: string;
  /** ISO 8601, UTC. */
  at: string;
  /** The `user` of the grant. */
  user: string | undefined;
  store: string;
  action: Action;
  /** What else was asked for, such as a status message. Never a payload. */
  details: Readonly<Record<string, string | boolean>>;
} & AuditTarget &
  (
    | { state: "started" }
    /** With the counts of an act on a filter. */
    | { state: "done"; outcome?: BulkOutcome | undefined }
    | { state: "failed"; error: string }
    /** The visitor may not do this. */
    | { state: "refused" }
  );

export interface Act {
  readonly user: string | undefined;
  readonly store: string;
  readonly action: Action;
  readonly target: AuditTarget;
  readonly details?: AuditEntry["details"];
}

type State = AuditEntry extends infer Entry
  ? Entry extends AuditEntry
    ? Omit<Entry, "id" | "at" | "user" | "store" | "action" | "details" | keyof AuditTarget>
    : never
  : never;

/** Tells the application of acts. */
export class Audit {
  readonly #tell: (entry: AuditEntry) => void | Promise<void>;
  readonly #report: (error: unknown) => void;

  constructor(tell: ((entry: AuditEntry) => void | Promise<void>) | undefined, report: (error: unknown) => void) {
    this.#tell = tell ?? (() => undefined);
    this.#report = report;
  }

  async refused(act: Act): Promise<void> {
    await this.#after(act, randomUUID(), { state: "refused" });
  }

  /** Does the act between two entries. It is not done if the first entry cannot be written. */
  async around<Result>(
    act: Act,
    work: () => Promise<Result>,
    outcomeOf: (result: Result) => BulkOutcome | undefined = () => undefined,
  ): Promise<Result> {
    const id = randomUUID();
    await this.#tell(entryOf(act, id, { state: "started" }));
    try {
      const result = await work();
      await this.#after(act, id, { state: "done", outcome: outcomeOf(result) });
      return result;
    } catch (error) {
      await this.#after(act, id, { state: "failed", error: codeOf(error) });
      throw error;
    }
  }

  async #after(act: Act, id: string, state: State): Promise<void> {
    try {
      await this.#tell(entryOf(act, id, state));
    } catch (error) {
      this.#report(error);
    }
  }
}

function entryOf({ user, store, action, target, details = {} }: Act, id: string, state: State): AuditEntry {
  return { id, at: new Date().toISOString(), user, store, action, details, ...target, ...state } as AuditEntry;
}
