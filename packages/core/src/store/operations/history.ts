import { hostname } from "node:os";
import { HISTORY_LENGTH } from "../../backend/rules.ts";
import type { StoredTask } from "../../backend/stored-task.ts";
import { decodeJson, isFrame, UNREADABLE_TEXT } from "../../contract/json.ts";
import type { HistoryEntry } from "../../contract/operations.ts";
import type { Holder } from "../../contract/options.ts";

type Stored = HistoryEntry extends infer Entry ? (Entry extends HistoryEntry ? Omit<Entry, "at"> : never) : never;

/** The line to append for this event. The backend adds the time. */
export function historyLine(entry: Stored): string {
  return JSON.stringify(entry);
}

let here: Pick<Holder, "host" | "pid"> | undefined;

/** This process as the holder of leases. */
export function holderHere(given: Pick<Holder, "worker" | "version"> | undefined): Holder {
  here ??= { host: hostname(), pid: process.pid };
  return { ...here, ...given };
}

/** The entries of a history, without the oldest one if it was cut. */
export function historyOf({ history }: StoredTask): HistoryEntry[] {
  const mayBeCut = Buffer.byteLength(history ?? "") >= HISTORY_LENGTH;
  return (history ?? "").split("\n").flatMap((line, index) => {
    const space = line.indexOf(" ");
    const time = Number(line.slice(0, space));
    // A cut line may begin in the middle of its time. A clock of a test may have shorter times.
    if (space < 1 || !line.endsWith("}") || (index === 0 && mayBeCut && space < 13)) return [];
    try {
      const entry = decodeJson<Stored>(line.slice(space + 1));
      const shown =
        entry.event === "given back" && isFrame(entry.error ?? "") ? { ...entry, error: UNREADABLE_TEXT } : entry;
      return [{ at: new Date(time).toISOString(), ...shown } as HistoryEntry];
    } catch {
      return [];
    }
  });
}

/** The runner that holds the task's lease, by the task's history. */
export function heldBy(task: StoredTask, history: readonly HistoryEntry[]): Holder | undefined {
  if (!isHeld(task)) return undefined;
  const taken = history.findLast(({ event }) => event === "taken");
  return taken?.event === "taken" ? taken.holder : undefined;
}

/** Whether a runner holds the lease. */
export function isHeld({ leaseExpiresAt, leaseToken, readAt }: StoredTask): boolean {
  return !isGivenBack(leaseToken) && leaseExpiresAt !== null && leaseExpiresAt > readAt;
}

/** Whether no runner has taken the task, or the last one has given it back. */
export function isGivenBack(leaseToken: number): boolean {
  return leaseToken % 2 === 0;
}
