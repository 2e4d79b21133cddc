import type { Command } from "../command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module, and with it nothing that other commands need. */
  load(): Promise<{ readonly default: Command }>;
}

/** Every command in the order of the help, by groups. A new command is one more line here. */
export const GROUPS: Readonly<Record<string, Readonly<Record<string, CommandEntry>>>> = {
  "Look at tasks": {
    list: { summary: "list tasks, newest first", load: () => import("./list.ts") },
    show: { summary: "show all about one task", load: () => import("./show.ts") },
    stats: { summary: "count tasks by status and name", load: () => import("./stats.ts") },
  },
};

/** The command of this name. */
export function commandNamed(name: string): CommandEntry | undefined {
  return Object.values(GROUPS).find((group) => Object.hasOwn(group, name))?.[name];
}

export function commandNames(): string[] {
  return Object.values(GROUPS).flatMap((group) => Object.keys(group));
}
