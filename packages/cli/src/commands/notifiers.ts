import type { KeptEvent, NotifierStatus } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { table } from "../output/table.ts";
import { ago } from "../output/text.ts";

export default defineCommand({
  usage: "[<notifier>]",
  arity: [0, 1],
  writes: false,
  options: {
    waiting: { type: "boolean", help: "of a notifier, also the events that wait for their delivery" },
    limit: { type: "string", short: "n", value: "N", help: "most events to show, up to 1000 (50)" },
    cursor: { type: "string", value: "CURSOR", help: "go on where a page ended" },
  },
  details:
    "Without a name: every notifier, with how many events it has not delivered yet. With one: its events that are set aside, the oldest first.",
  async run({ values, arguments: [notifier], output, open }) {
    const { operations } = (await open()).store;
    if (notifier === undefined) {
      const notifiers = await operations.notifiers();
      if (output.json)
        output.document({ notifiers: notifiers.map((each) => ({ ...each, oldestAt: each.oldestAt ?? null })) });
      else if (notifiers.length === 0) output.note("the store has no notifier");
      else for (const line of notifiersTable(notifiers, output.width)) output.line(line);
      return EXIT.ok;
    }
    const limit = Number(values.limit ?? 50);
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new UsageError("--limit takes 1 to 1000");
    const { events, nextCursor = null } = await operations.listEvents({
      notifier,
      setAside: !values.waiting,
      limit,
      cursor: values.cursor,
    });
    if (output.json) output.document({ notifier, events: events.map(eventJson), nextCursor });
    else if (events.length === 0) output.note(values.waiting ? "no event waits" : "no event is set aside");
    else for (const line of eventsTable(events, output.width)) output.line(line);
    if (!output.json && nextCursor !== null) output.note(`more: --cursor ${nextCursor}`);
    return EXIT.ok;
  },
});

function eventJson({ id, kind, at, attempt, setAside, error, task }: KeptEvent) {
  const { taskId, name, owner, status, statusMessage, revision } = task;
  return {
    ...{ id, kind, at, attempt, setAside, error: error ?? null },
    task: { taskId, name, owner: owner ?? null, status, statusMessage: statusMessage ?? null, revision },
  };
}

function notifiersTable(notifiers: readonly NotifierStatus[], width: number): string[] {
  return table(
    [
      { title: "NOTIFIER", of: ({ name }) => name, least: 8 },
      { title: "WAITING", of: ({ waiting }) => `${waiting}`, side: "right" },
      { title: "SET ASIDE", of: ({ setAside }) => `${setAside}`, side: "right" },
      { title: "OLDEST", of: ({ oldestAt }) => ago(oldestAt ?? null), side: "right" },
      { title: "KINDS", of: ({ on }) => on.join(", "), least: 8 },
    ],
    notifiers,
    width,
  );
}

function eventsTable(events: readonly KeptEvent[], width: number): string[] {
  return table(
    [
      { title: "EVENT", of: ({ id }) => id },
      { title: "KIND", of: ({ kind }) => kind },
      { title: "AGE", of: ({ at }) => ago(at), side: "right" },
      { title: "TASK", of: ({ task }) => task.taskId, least: 8, keep: 1 },
      { title: "TRIES", of: ({ attempt }) => `${attempt}`, side: "right", keep: 2 },
      { title: "ERROR", of: ({ setAside, error }) => (setAside ? (error ?? "-") : "waits"), least: 8 },
    ],
    events,
    width,
  );
}
