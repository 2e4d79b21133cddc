import type { TaskEventKind, TaskStatus } from "@mcp-task-store/core";
import {
  type EventBackend,
  inSteps,
  type Settlement,
  type StoredEvent,
  type StoredNotifier,
} from "@mcp-task-store/core/backend";
import type { Commands } from "./commands.ts";

/** Most events that one script handles, so that other callers get their turn. */
const BATCH = 200;

/**
 * The events that wait for notifiers. The scripts that change tasks write them
 * (`commands/includes/event.lua`), in the same step as the change.
 */
export class Events implements EventBackend {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  register(name: string, kinds: readonly TaskEventKind[]): Promise<void> {
    return inSteps(async (wrote) => {
      await this.#commands.run("notifiers", "", ["add", name, `,${kinds.join()},`]);
      wrote();
      await this.#forget();
    });
  }

  unregister(name: string): Promise<boolean> {
    return inSteps(async (wrote) => {
      const [removed] = (await this.#commands.run("notifiers", "", ["remove", name, ""])) as [0 | 1];
      wrote();
      await this.#forget();
      return removed === 1;
    });
  }

  async registered(): Promise<StoredNotifier[]> {
    const answer = await this.#commands.run("notifiers", "", ["list", "", ""], true);
    const [, notifiers] = answer as [number, [string, string, number, number, string | null][]];
    return notifiers.map(([name, kinds, kept, setAside, first]) => ({
      name,
      kinds: kinds.slice(1, -1).split(",") as TaskEventKind[],
      waiting: kept - setAside,
      setAside,
      oldestAt: first === null ? null : toEvent("0", first).at,
    }));
  }

  async take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined> {
    const taken = await this.#commands.run("takeEvents", "", [notifier, `${Math.min(limit, BATCH)}`, `${leaseMs}`]);
    return taken === null ? undefined : toEvents(taken as string[]);
  }

  settle(notifier: string, settlements: readonly Settlement[]): Promise<void> {
    return inSteps(async (wrote) => {
      for (let at = 0; at < settlements.length; at += BATCH) {
        const args = settlements
          .slice(at, at + BATCH)
          .flatMap(({ seq, token, becomes, error }) => [`${seq}`, `${token}`, `${becomes}`, error ?? ""]);
        await this.#commands.run("settleEvents", "", [notifier, ...args]);
        wrote();
      }
    });
  }

  async list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]> {
    const args = [notifier, setAside ? "1" : "0", `${after}`, `${limit}`];
    return toEvents((await this.#commands.run("listEvents", "", args)) as string[]);
  }

  redeliver(notifier: string, ids: readonly string[] | null): Promise<number> {
    return inSteps(async (wrote) => {
      let [redelivered, after] = [0, 0];
      for (;;) {
        const page = await this.list(notifier, true, after, BATCH);
        const seqs = page.filter(({ id }) => ids?.includes(id) ?? true).map(({ seq }) => `${seq}`);
        if (seqs.length > 0)
          redelivered += (await this.#commands.run("redeliverEvents", "", [notifier, ...seqs])) as number;
        if (redelivered > 0) wrote();
        if (page.length < BATCH) return redelivered;
        after = page.at(-1)?.seq ?? 0;
      }
    });
  }

  /** Deletes what removed notifiers have left, also after a removal that ended before this. */
  async #forget(): Promise<void> {
    while ((await this.#commands.run("forgetEvents", "", [`${BATCH}`])) === 1);
  }
}

function toEvents(found: readonly string[]): StoredEvent[] {
  const events: StoredEvent[] = [];
  for (let index = 0; index < found.length; index += 2)
    events.push(toEvent(found[index] as string, found[index + 1] as string));
  return events;
}

/** An event from its text: see `commands/includes/event.lua`. */
function toEvent(seq: string, body: string): StoredEvent {
  const [state = "", error = "", ...fixed] = body.split("\0");
  const [attempt, token, setAside] = state.split(" ");
  const [id, kind, at, revision, status, name, owner, message, taskId] = fixed as [string, TaskEventKind, ...string[]];
  return {
    seq: Number(seq),
    id,
    kind,
    at: Number(at),
    taskId: taskId as string,
    owner: optional(owner),
    name: name as string,
    status: status as TaskStatus,
    statusMessage: optional(message),
    revision: Number(revision),
    attempt: Number(attempt),
    token: Number(token),
    setAside: setAside === "1",
    error: error === "" ? null : error,
  };
}

/** A value after a 1, or a 0 for null. */
function optional(part: string | undefined): string | null {
  return part?.startsWith("1") ? part.slice(1) : null;
}
