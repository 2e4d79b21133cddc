import type { TaskEventKind } from "@mcp-task-store/core";
import type { Caps, Guard, NewTask, Patch, RestoredTask, Settlement } from "@mcp-task-store/core/backend";
import { FileEvents } from "./file-events.ts";
import { MutableBackend, type Mutant, pause } from "./mutant.ts";

/** Adds another event like the last one of the task. */
const REPEAT = `insert into events (id, notifier, kind, at, task_id, owner, name, status, status_message, revision, due_at)
  select id || 'again', notifier, kind, at, task_id, owner, name, status, status_message, revision, due_at
  from events where task_id = ? order by seq desc limit 1`;

class RefusedCreationsHaveEvents extends MutableBackend {
  override async insert(task: NewTask, caps: Caps) {
    const outcome = await super.insert(task, caps);
    if ("refused" in outcome) this.raw.prepare(REPEAT).run(task.taskId);
    return outcome;
  }
}

class RefusedWritesHaveEvents extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const outcome = await super.update(taskId, guard, patch);
    if (!outcome.applied) this.raw.prepare(REPEAT).run(taskId);
    return outcome;
  }
}

/** Registrations of this process alone. */
const registered = new Set<string>();

class OfAProcess extends FileEvents {
  override async register(name: string, kinds: readonly TaskEventKind[]) {
    registered.add(name);
    await super.register(name, kinds);
  }
  override async take(notifier: string, limit: number, leaseMs: number) {
    return registered.has(notifier) ? super.take(notifier, limit, leaseMs) : undefined;
  }
}

/** Events whose settlements are changed before they are applied. */
function settling(change: (settlement: Settlement) => readonly Settlement[]): typeof FileEvents {
  return class extends FileEvents {
    override async settle(notifier: string, settlements: readonly Settlement[]) {
      await super.settle(notifier, settlements.flatMap(change));
    }
  };
}

export const eventMutants: Mutant[] = [
  {
    id: "heartbeats-have-events",
    breaks: "Writes that no requestor sees have events",
    kills: ["events/kinds"],
    events: class extends FileEvents {
      protected override readonly changed = "1";
    },
  },
  {
    id: "events-before-the-change",
    breaks: "An event has the task's state before the change",
    kills: ["events/kinds"],
    events: class extends FileEvents {
      protected override readonly told =
        "coalesce((select record from tasks where position = new.position), new.record)";
    },
  },
  {
    id: "events-share-ids",
    breaks: "The events of a task have the same id",
    kills: ["events/kinds"],
    events: class extends FileEvents {
      protected override trigger() {
        return super.trigger().replace("lower(hex(randomblob(16)))", "new.task_id");
      }
    },
  },
  {
    id: "first-kinds-stay",
    breaks: "A notifier that is registered with other kinds keeps the first ones",
    kills: ["events/selected-kinds"],
    events: class extends FileEvents {
      override async register(name: string, kinds: readonly TaskEventKind[]) {
        if (!(await this.registered()).some((each) => each.name === name)) await super.register(name, kinds);
      }
    },
  },
  {
    id: "events-of-every-kind",
    breaks: "A notifier gets events of all kinds",
    kills: ["events/selected-kinds"],
    events: class extends FileEvents {
      protected override trigger() {
        return super.trigger().replace(/where case[^;]*;/, ";");
      }
    },
  },
  {
    id: "registering-again-starts-anew",
    breaks: "A notifier that is registered again loses its events",
    kills: ["events/selected-kinds"],
    events: class extends FileEvents {
      override async register(name: string, kinds: readonly TaskEventKind[]) {
        await this.unregister(name);
        await super.register(name, kinds);
      }
    },
  },
  {
    id: "events-of-the-past",
    breaks: "A new notifier gets events of tasks that were there",
    kills: ["events/from-registration"],
    events: class extends FileEvents {
      override async register(name: string, kinds: readonly TaskEventKind[]) {
        const isNew = (await this.registered()).length === 0;
        await super.register(name, kinds);
        // Replaced by itself, each row is new to the trigger once its position differs.
        if (isNew) this.run("update tasks set position = -position");
        if (isNew)
          this.run(
            "insert or replace into tasks select task_id, -position, changed, owner, name, active, expires_at, claimable_at, record from tasks",
          );
      }
    },
  },
  {
    id: "events-of-a-handle",
    breaks: "Only changes of the handle that registered the notifier have events",
    kills: ["events/from-registration"],
    backend: class extends MutableBackend {
      override async insert(task: NewTask, caps: Caps) {
        const outcome = await super.insert(task, caps);
        if (!registered.has(`${this.file} ${handleOf(this)}`)) this.#forget(task.taskId);
        return outcome;
      }
      override async open() {
        const register = this.events.register.bind(this.events);
        this.events.register = async (name, kinds) => {
          registered.add(`${this.file} ${handleOf(this)}`);
          await register(name, kinds);
        };
        return super.open();
      }
      #forget(taskId: string) {
        // Without a notifier there is no such table.
        if (this.raw.prepare("select 1 from sqlite_schema where name = 'events'").get())
          this.raw.prepare("delete from events where task_id = ? and kind = 'created'").run(taskId);
      }
    },
  },
  {
    id: "events-in-any-order",
    breaks: "The events of a task are taken together",
    kills: ["events/order", "events/failed", "events/notifier"],
    events: class extends FileEvents {
      protected override before() {
        return "select 1 where 0";
      }
    },
  },
  {
    id: "newest-events-first",
    breaks: "The newest event is taken first",
    kills: ["events/due-first"],
    events: class extends FileEvents {
      protected override all(sql: string, ...values: never[]) {
        return super.all(sql.replace("order by due_at, seq", "order by due_at desc, seq desc"), ...values);
      }
    },
  },
  {
    id: "takes-all-events",
    breaks: "More events are taken than the caller asks for",
    kills: ["events/due-first"],
    events: class extends FileEvents {
      override take(notifier: string, _limit: number, leaseMs: number) {
        return super.take(notifier, 1000, leaseMs);
      }
    },
  },
  {
    id: "look-then-take",
    breaks: "Two callers that look at once take the same events",
    kills: ["events/one-caller"],
    events: class extends FileEvents {
      override async take(notifier: string, limit: number, leaseMs: number) {
        const where = "notifier = ? and not set_aside and due_at <= ? order by seq limit ?";
        const found = this.events(where, notifier, this.now(), limit);
        await pause(1);
        const free = `update events set due_at = ?, attempt = attempt + 1, token = token + 1 where seq = ?`;
        for (const { seq } of found) this.run(free, this.now() + leaseMs, seq);
        return found.map((event) => ({ ...event, attempt: event.attempt + 1, token: event.token + 1 }));
      }
    },
  },
  {
    id: "late-settlements-count",
    breaks: "A caller settles an event that another one has",
    kills: ["events/lapsed-lease"],
    events: class extends FileEvents {
      protected override run(sql: string, ...values: never[]) {
        return super.run(sql.replace("token = ? and", "? > 0 and"), ...values);
      }
    },
  },
  {
    id: "events-are-lent-for-ever",
    breaks: "An event that was taken is not taken again",
    kills: ["events/lapsed-lease", "events/durable"],
    events: class extends FileEvents {
      override take(notifier: string, limit: number) {
        return super.take(notifier, limit, 1e12);
      }
    },
  },
  {
    id: "failed-events-come-at-once",
    breaks: "A failed event does not wait",
    kills: ["events/failed"],
    events: settling((each) => [typeof each.becomes === "number" ? { ...each, becomes: 0 } : each]),
  },
  {
    id: "failed-events-are-lost",
    breaks: "A failed event is not delivered again",
    kills: ["events/failed", "events/notifier"],
    events: settling((each) => [typeof each.becomes === "number" ? { ...each, becomes: "delete" } : each]),
  },
  {
    id: "giving-back-counts",
    breaks: "A delivery that was given back counts",
    kills: ["events/given-back"],
    events: settling((each) => [each.becomes === "giveBack" ? { ...each, becomes: 0 } : each]),
  },
  {
    id: "giving-back-loses",
    breaks: "An event that was given back is lost",
    kills: ["events/given-back"],
    events: settling((each) => [each.becomes === "giveBack" ? { ...each, becomes: "delete" } : each]),
  },
  {
    id: "events-set-aside-are-lost",
    breaks: "An event that is set aside is deleted",
    kills: ["events/set-aside", "events/notifier"],
    events: settling((each) => [each.becomes === "setAside" ? { ...each, becomes: "delete" } : each]),
  },
  {
    id: "events-set-aside-block",
    breaks: "Later events wait for one that is set aside",
    kills: ["events/set-aside", "events/notifier"],
    events: class extends FileEvents {
      protected override before() {
        return super.before().replace("and not b.set_aside", "");
      }
    },
  },
  {
    id: "redelivery-of-all",
    breaks: "A redelivery by ids redelivers all",
    kills: ["events/set-aside"],
    events: class extends FileEvents {
      override redeliver(notifier: string) {
        return super.redeliver(notifier, null);
      }
    },
  },
  {
    id: "redelivery-supersedes",
    breaks: "A redelivered event takes the place of later ones",
    kills: ["events/redelivered-beside-later-ones"],
    events: class extends FileEvents {
      override async redeliver(notifier: string, ids: readonly string[] | null) {
        this.run(
          `delete from events as l where not l.set_aside and exists (
            select 1 from events b where b.set_aside and b.task_id = l.task_id and b.seq < l.seq)`,
        );
        return super.redeliver(notifier, ids);
      }
    },
  },
  {
    id: "redelivery-holds-up",
    breaks: "After a redelivery, an event of the task that waits is never due",
    kills: ["events/in-order-after-redelivery"],
    events: class extends FileEvents {
      override async redeliver(notifier: string, ids: readonly string[] | null) {
        this.run("update events set due_at = due_at + 1e12 where kind = 'progress' and not set_aside");
        return super.redeliver(notifier, ids);
      }
    },
  },
  {
    id: "first-page-of-events",
    breaks: "Every page of events is the first one",
    kills: ["events/pages"],
    events: class extends FileEvents {
      override list(notifier: string, setAside: boolean, _after: number, limit: number) {
        return super.list(notifier, setAside, 0, limit);
      }
    },
  },
  {
    id: "events-settled-for-all",
    breaks: "A notifier settles events of another one",
    kills: ["events/notifiers-apart"],
    events: class extends FileEvents {
      protected override run(sql: string, ...values: never[]) {
        return super.run(sql.replace("where notifier = ? and seq", "where ? <> '' and seq"), ...values);
      }
    },
  },
  {
    id: "events-redelivered-for-all",
    breaks: "A redelivery is for all notifiers",
    kills: ["events/notifiers-apart"],
    events: class extends FileEvents {
      protected override run(sql: string, ...values: never[]) {
        return super.run(sql.replace("notifier = ? and set_aside", "? <> '' and set_aside"), ...values);
      }
    },
  },
  {
    id: "removed-notifiers-leave-events",
    breaks: "The events of a removed notifier stay",
    kills: ["events/removed-notifier"],
    events: class extends FileEvents {
      protected override run(sql: string, ...values: never[]) {
        return sql === "delete from events where notifier = ?" ? 0 : super.run(sql, ...values);
      }
    },
  },
  {
    id: "one-removal-removes-all",
    breaks: "The removal of a notifier removes the events of others",
    kills: ["events/removed-notifier"],
    events: class extends FileEvents {
      override async unregister(name: string) {
        this.run("delete from events");
        return super.unregister(name);
      }
    },
  },
  {
    id: "events-go-with-the-task",
    breaks: "The removal of a task removes its events",
    kills: ["events/outlive-the-task"],
    backend: class extends MutableBackend {
      override async remove(taskIds: readonly string[]) {
        const removed = await super.remove(taskIds);
        for (const taskId of removed) this.raw.prepare("delete from events where task_id = ?").run(taskId);
        return removed;
      }
    },
  },
  {
    id: "imports-have-no-events",
    breaks: "An imported task has no event",
    kills: ["events/imported"],
    backend: class extends MutableBackend {
      override async restore(tasks: readonly RestoredTask[]) {
        const restored = await super.restore(tasks);
        for (const taskId of restored) this.raw.prepare("delete from events where task_id = ?").run(taskId);
        return restored;
      }
    },
  },
  {
    id: "refused-creations-have-events",
    breaks: "A creation that is refused has an event",
    kills: ["events/one-per-change"],
    backend: RefusedCreationsHaveEvents,
  },
  {
    id: "refused-writes-have-events",
    breaks: "A write that is refused has an event",
    kills: ["events/one-per-change", "events/kinds"],
    backend: RefusedWritesHaveEvents,
  },
  {
    id: "notifiers-of-a-process",
    breaks: "Only the process that registered a notifier delivers its events",
    kills: ["events/processes"],
    events: OfAProcess,
  },
  {
    id: "the-newest-for-the-oldest",
    breaks: "Operators see the time of the newest event that waits",
    kills: ["events/oldest"],
    events: class extends FileEvents {
      override async registered() {
        const found = await super.registered();
        return found.map((each) => {
          const waiting = this.events("notifier = ? and not set_aside order by seq desc", each.name);
          return { ...each, oldestAt: waiting[0]?.at ?? null };
        });
      }
    },
  },
  {
    id: "events-set-aside-wait",
    breaks: "An event that is set aside counts as the oldest that waits",
    kills: ["events/oldest"],
    events: class extends FileEvents {
      override async registered() {
        const found = await super.registered();
        return found.map((each) => {
          const all = this.events("notifier = ? order by seq", each.name);
          return { ...each, oldestAt: all[0]?.at ?? null };
        });
      }
    },
  },
  {
    id: "watchers-of-nothing",
    breaks: "No listener of `watch` is called",
    kills: ["events/watch"],
    store: () => ({ events: { watch: async () => () => undefined } }),
  },
  {
    id: "watchers-for-ever",
    breaks: "A listener of `watch` is called after its end",
    kills: ["events/watch"],
    store: (store) => ({
      events: {
        async watch(on, listener) {
          await store.events.watch(on, listener);
          return () => undefined;
        },
      },
    }),
  },
  {
    id: "events-end-with-a-handle",
    breaks: "Events are gone when a handle closes",
    kills: ["events/durable"],
    backend: class extends MutableBackend {
      override async close() {
        const kept = this.raw.prepare("select 1 from sqlite_schema where name = 'events'").get();
        if (kept) this.raw.exec("delete from events");
        await super.close();
      }
    },
  },
];

const handles = new WeakMap<object, number>();
let handlesMade = 0;

function handleOf(backend: object): number {
  const known = handles.get(backend) ?? ++handlesMade;
  handles.set(backend, known);
  return known;
}
