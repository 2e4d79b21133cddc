import { FILTER_WORDS, parseTaskFilter, type TaskFilter } from "@mcp-task-store/core";
import { UsageError } from "./exit.ts";
import { failureText } from "./failures.ts";
import type { OptionSpecs } from "./options.ts";

export const WHERE = {
  where: {
    type: "string",
    short: "w",
    multiple: true,
    value: "FILTER",
    help: "only tasks that match, as in 'status=failed name=render age>1h'; several must all match",
  },
} as const satisfies OptionSpecs;

/** The filter of `--where`, `{}` without one. @throws UsageError */
export function filterOf(where: readonly string[] | undefined): TaskFilter {
  try {
    return parseTaskFilter((where ?? []).join(" "));
  } catch (error) {
    throw new UsageError(failureText(error));
  }
}

/** For the help of commands with `--where`. */
export const FILTER_HELP = `A filter is a list of these, with spaces between them; a value with spaces stands in double quotes:\n${Object.entries(
  FILTER_WORDS,
)
  .map(([word, help]) => `  ${word.padEnd(10)}${help}`)
  .join("\n")}`;
