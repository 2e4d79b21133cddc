import type { Command } from "./command.ts";
import type { OptionSpecs } from "./options.ts";
import { STORE_OPTIONS } from "./stores/settings.ts";

/** Options of every command, beside those that name the store. */
export const COMMON_OPTIONS = {
  json: { type: "boolean", help: "print JSON, by a versioned schema that the README links to" },
  color: { type: "boolean", help: "colours, or none with --no-color; NO_COLOR is heeded" },
  help: { type: "boolean", short: "h", help: "show this" },
} as const satisfies OptionSpecs;

/** The options of a command with those of all commands. */
export function optionsOf(command: Command): OptionSpecs {
  const { json, color, help } = COMMON_OPTIONS;
  if (command.storeless) return { ...command.options, help };
  return { ...command.options, json, ...STORE_OPTIONS, color, help };
}
