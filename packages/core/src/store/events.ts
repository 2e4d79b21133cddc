import type { EventBackend, Settlement, StoredEvent } from "../backend/event-backend.ts";
import { eventKind } from "../backend/event-backend.ts";
import { REGISTER_OPTIONS, TAKE_EVENTS_OPTIONS } from "../contract/call-options.ts";
import { invalid, notSupported } from "../contract/errors.ts";
import {
  type DeliveryOutcome,
  type EventPage,
  type EventTask,
  type KeptEvent,
  type ListEventsOptions,
  type NotifierStatus,
  type RedeliverOptions,
  type RegisterNotifierOptions,
  TASK_EVENT_KINDS,
  type TakeEventsOptions,
  type TakenEvent,
  type TaskEvent,
  type TaskEventKind,
  type TaskEvents,
} from "../contract/events.ts";
import { decodeString } from "../contract/json.ts";
import { LIST_EVENTS_OPTIONS, REDELIVER_OPTIONS } from "../contract/operation-options.ts";
import { checkEither, checkOptions } from "../contract/option-checks.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import type { ChangeHub, Watcher } from "./change-hub.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

/** Most characters of an error that are kept with an event. */
const ERROR_LENGTH = 300;

/** The events of a backend that keeps them, for notifiers and for operators. */
export class Events implements TaskEvents {
  readonly #gateway: BackendGateway;
  readonly #hub: ChangeHub;

  constructor(gateway: BackendGateway, hub: ChangeHub) {
    this.#gateway = gateway;
    this.#hub = hub;
  }

  async register(options: RegisterNotifierOptions): Promise<void> {
    checkOptions("register", options, REGISTER_OPTIONS);
    const { name, on } = options;
    // In one order, so that a backend can compare them.
    const kinds = TASK_EVENT_KINDS.filter((kind) => on.includes(kind));
    await this.#call((events) => events.register(nameOf(name), kinds));
  }

  async take(options: TakeEventsOptions): Promise<TakenEvent[] | null> {
    checkOptions("take", options, TAKE_EVENTS_OPTIONS);
    const { notifier, limit, leaseMs } = options;
    const taken = await this.#call((events) => events.take(nameOf(notifier), limit, Math.ceil(leaseMs)));
    return (
      taken?.map((stored) => ({
        lease: { seq: stored.seq, token: stored.token },
        event: { ...toEvent(stored), attempt: stored.attempt },
      })) ?? null
    );
  }

  async settle(notifier: string, outcomes: readonly DeliveryOutcome[]): Promise<void> {
    if (outcomes.length === 0) return;
    const settlements = outcomes.map(settlementOf);
    await this.#call((events) => events.settle(nameOf(notifier), settlements));
  }

  async watch(on: readonly TaskEventKind[], listener: () => void): Promise<() => void> {
    if (typeof listener !== "function") throw invalid("watch needs a listener: a function that is called for changes");
    // Without the arguments of the hub.
    const told = this.#gateway.listener(() => listener());
    const watcher: Watcher = {
      // The listener needs no state of the task, so the hub need not read it.
      wants: (about) => {
        if (on.includes(eventKind(about, false)) || on.includes("created")) told();
        return false;
      },
      onTask: told,
      onError: () => undefined,
    };
    await this.#hub.add(watcher);
    return () => this.#hub.delete(watcher);
  }

  async registered(): Promise<NotifierStatus[]> {
    const notifiers = await this.#call((events) => events.registered());
    return notifiers
      .map(({ name, kinds, waiting, setAside, oldestAt }) => ({
        name,
        on: [...kinds],
        waiting,
        setAside,
        ...(oldestAt === null ? {} : { oldestAt: new Date(oldestAt).toISOString() }),
      }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  async list(options: ListEventsOptions): Promise<EventPage> {
    checkOptions("listEvents", options, LIST_EVENTS_OPTIONS);
    const { setAside = false, limit = 50, cursor } = options;
    const notifier = nameOf(options.notifier);
    const { storeId } = await this.#gateway.open();
    const scope = { owner: `events, ${setAside}, ${notifier}`, orUnowned: true };
    const after = cursor === undefined ? 0 : decodeCursor(storeId, scope, cursor);
    const found = await this.#call((events) => events.list(notifier, setAside, after, limit + 1));
    const page = found.slice(0, limit);
    const last = found.length > limit ? page.at(-1) : undefined;
    return { events: page.map(toKept), ...(last ? { nextCursor: encodeCursor(storeId, scope, last.seq) } : {}) };
  }

  async redeliver(options: RedeliverOptions): Promise<number> {
    checkOptions("redeliverEvents", options, REDELIVER_OPTIONS);
    checkEither(options, "ids", "all");
    const { notifier, ids = null } = options;
    return this.#call((events) => events.redeliver(nameOf(notifier), ids));
  }

  async remove(name: string): Promise<boolean> {
    return this.#call((events) => events.unregister(nameOf(name)));
  }

  /** @throws `NOT_SUPPORTED` if the backend keeps no events */
  async #call<T>(run: (events: EventBackend) => Promise<T>): Promise<T> {
    return this.#gateway.call(async ({ events }) => {
      if (!events) throw notSupported("keep events for notifiers", "events");
      return run(events);
    });
  }
}

function nameOf(name: string): string {
  checkOptions("The notifier", { name }, { name: REGISTER_OPTIONS.name });
  return name;
}

function settlementOf(outcome: DeliveryOutcome): Settlement {
  const { seq, token } = outcome?.lease ?? {};
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(token))
    throw invalid("settle needs the lease that take returned");
  switch (outcome.outcome) {
    case "delivered":
      return { seq, token, becomes: "delete", error: null };
    case "givenBack":
      return { seq, token, becomes: "giveBack", error: null };
    case "setAside":
      return { seq, token, becomes: "setAside", error: errorOf(outcome.error) };
    case "failed": {
      if (!(outcome.retryMs >= 0)) throw invalid("settle needs retryMs: milliseconds until the next delivery");
      return {
        seq,
        token,
        becomes: Math.min(Math.ceil(outcome.retryMs), MOST_RETRY_MS),
        error: errorOf(outcome.error),
      };
    }
    default:
      throw invalid("The outcome of a delivery must be delivered, failed, setAside or givenBack");
  }
}

/** A year. */
const MOST_RETRY_MS = 31_536_000_000;

/** The beginning of an error's message, as every database can keep it. */
function errorOf(error: string): string {
  return String(error).replaceAll("\0", " ").slice(0, ERROR_LENGTH).toWellFormed();
}

function toEvent({ id, kind, at, taskId, name, owner, status, statusMessage, revision }: StoredEvent): TaskEvent {
  const task: EventTask = { taskId, name, status, revision };
  if (owner !== null) task.owner = owner;
  if (statusMessage !== null) task.statusMessage = decodeString(statusMessage);
  return { id, kind, at: new Date(at).toISOString(), task };
}

function toKept(stored: StoredEvent): KeptEvent {
  const { attempt, setAside, error } = stored;
  return { ...toEvent(stored), attempt, setAside, ...(error === null ? {} : { error }) };
}
