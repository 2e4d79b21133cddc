import type { Command } from "./command.ts";
import { GROUPS } from "./commands/index.ts";
import { optionsOf } from "./common-options.ts";
import { EXIT } from "./exit.ts";
import type { OptionSpec, OptionSpecs } from "./options.ts";
import { padded } from "./output/text.ts";
import { STORE_OPTIONS } from "./stores/settings.ts";

export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  [`${EXIT.ok}`, "done; watch: the task completed"],
  [`${EXIT.failed}`, "the command could not do what was asked"],
  [`${EXIT.usage}`, "wrong arguments or options; nothing was done"],
  [`${EXIT.bad}`, "watch: the task failed; health, doctor: something is wrong"],
  [`${EXIT.cancelled}`, "watch: the task was cancelled"],
  [`${EXIT.expired}`, "watch: the task expired"],
  [`${EXIT.timeout}`, "watch: the time of --timeout was over"],
  ["130, 143", "interrupted by SIGINT or SIGTERM"],
];

/** The help of the program. */
export function programHelp(): string {
  const names = Object.values(GROUPS).flatMap((group) => Object.keys(group));
  const wide = Math.max(...names.map((name) => name.length));
  const groups = Object.entries(GROUPS).map(([title, group]) => {
    const lines = Object.entries(group).map(([name, { summary }]) => `  ${padded(name, wide)}  ${summary}`);
    return [`${title}:`, ...lines].join("\n");
  });
  return [
    "Looks at the tasks of a store of mcp-task-store, and acts on them.",
    "Usage: mcp-tasks <command> [options]\n       mcp-tasks <command> --help",
    ...groups,
    `The store:\n${optionLines(STORE_OPTIONS)}`,
    `Exit codes:\n${EXIT_CODES.map(([code, meaning]) => `  ${padded(code, 10)}${meaning}`).join("\n")}`,
    "",
  ]
    .join("\n\n")
    .trimEnd();
}

/** The help of a command. */
export function commandHelp(name: string, summary: string, command: Command): string {
  const usage = `Usage: mcp-tasks ${name} ${command.usage}`.trimEnd();
  const own = Object.keys(command.options).length > 0 ? [`Options:\n${optionLines(command.options)}`] : [];
  const details = command.details === undefined ? [] : [command.details];
  const others = Object.fromEntries(Object.entries(optionsOf(command)).filter(([each]) => !(each in command.options)));
  return [
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    usage,
    ...own,
    ...details,
    `Options of every command:\n${optionLines(others)}`,
  ].join("\n\n");
}

function optionLines(options: OptionSpecs): string {
  const rows = Object.entries(options).map(([name, option]) => [flagOf(name, option), option.help] as const);
  const wide = Math.max(...rows.map(([flag]) => flag.length));
  return rows.map(([flag, help]) => `  ${padded(flag, wide)}  ${help}`).join("\n");
}

function flagOf(name: string, { short, value, choices }: OptionSpec): string {
  const of = value ?? choices?.join("|");
  return `${short === undefined ? "" : `-${short}, `}--${name}${of === undefined ? "" : ` ${of}`}`;
}
