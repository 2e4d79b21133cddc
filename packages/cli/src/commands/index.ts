import type { CommandEntry, CommandGroups } from "../command.ts";

/** Every command in the order of the help, by groups. A new command is one more line here. */
export const GROUPS: CommandGroups = {
  "Look at tasks": {
    list: { summary: "list tasks, newest first", load: () => import("./list.ts") },
    show: { summary: "show all about one task", load: () => import("./show.ts") },
    watch: { summary: "follow a task to its end, or all tasks", load: () => import("./watch.ts") },
    top: { summary: "show counts and active tasks, live", load: () => import("./top.ts") },
    stats: { summary: "count tasks by status and name", load: () => import("./stats.ts") },
    dashboard: { summary: "serve the dashboard to this machine's browser", load: () => import("./dashboard.ts") },
    workers: { summary: "list who runs tasks now", load: () => import("./workers.ts") },
    notifiers: { summary: "list notifiers, and events that they set aside", load: () => import("./notifiers.ts") },
  },
  "Act on tasks": {
    cancel: { summary: "cancel tasks", load: () => import("./cancel.ts") },
    rerun: { summary: "run ended tasks again, as new tasks", load: () => import("./rerun.ts") },
    requeue: {
      summary: "take tasks from their runners, so that others may run them",
      load: () => import("./requeue.ts"),
    },
    answer: { summary: "answer a task's question in its requestor's place", load: () => import("./answer.ts") },
    remove: { summary: "delete ended tasks", load: () => import("./remove.ts") },
    prune: { summary: "delete what has expired, and old ended tasks", load: () => import("./prune.ts") },
    pause: { summary: "let no worker claim tasks of a name", load: () => import("./pause.ts") },
    resume: { summary: "undo pause", load: () => import("./resume.ts") },
    redeliver: { summary: "deliver events again that were set aside", load: () => import("./redeliver.ts") },
    unregister: { summary: "remove a notifier with its events", load: () => import("./unregister.ts") },
  },
  "Look after a store": {
    health: { summary: "say whether the store answers, for monitors", load: () => import("./health.ts") },
    doctor: { summary: "find what is wrong with a set-up, and say what to do", load: () => import("./doctor.ts") },
    export: { summary: "write tasks as lines of JSON", load: () => import("./export.ts") },
    import: { summary: "read tasks that export wrote", load: () => import("./import.ts") },
    copy: { summary: "copy or move tasks to another store", load: () => import("./copy.ts") },
    rotate: { summary: "encrypt payloads by the present key", load: () => import("./rotate.ts") },
    migrate: { summary: "make a store's tables, or bring them up to date", load: () => import("./migrate.ts") },
    completion: { summary: "print a script that completes command lines", load: () => import("./completion.ts") },
  },
};

/** The command of this name. */
export function commandNamed(name: string): CommandEntry | undefined {
  return Object.values(GROUPS).find((group) => Object.hasOwn(group, name))?.[name];
}

export function commandNames(): string[] {
  return Object.values(GROUPS).flatMap((group) => Object.keys(group));
}
