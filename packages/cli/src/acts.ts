import type { BulkOptions, BulkOutcome, TaskFilter, TaskStore } from "@mcp-task-store/core";
import type { Context } from "./command.ts";
import { EXIT, UsageError } from "./exit.ts";
import { failureText } from "./failures.ts";
import { FILTER_HELP, filterOf, WHERE } from "./filter.ts";
import type { OptionSpecs } from "./options.ts";
import { count } from "./output/text.ts";
import { confirmed } from "./prompt.ts";
import { taskIdOf } from "./tasks.ts";

export const DRY_RUN = {
  "dry-run": { type: "boolean", help: "say what would be done, and change nothing" },
} as const satisfies OptionSpecs;

export const YES = {
  yes: { type: "boolean", short: "y", help: "act without a question" },
} as const satisfies OptionSpecs;

/** Options of a command that acts on given tasks, or on all of a filter. */
export const ACT_OPTIONS = {
  ...WHERE,
  all: { type: "boolean", short: "a", help: "all tasks of the store" },
  ...DRY_RUN,
  ...YES,
} as const satisfies OptionSpecs;

export const ACT_HELP = `Give ids, or the beginnings of ids, or --where. Before it acts on the tasks of a filter, the command says how many there are and asks.\n\n${FILTER_HELP}`;

export const ACT_USAGE = "<id>... | --where FILTER | --all";

/** What a command does to tasks. */
export interface Act {
  /** As in "Cancel 3 tasks?". */
  readonly verb: string;
  /** As in "cancelled 3 tasks". */
  readonly done: string;
  /** @returns what else is known of this task, for JSON and after the id */
  one(store: TaskStore, taskId: string): Promise<{ readonly newTaskId?: string }>;
  many(store: TaskStore, where: TaskFilter, options: BulkOptions & { signal: AbortSignal }): Promise<BulkOutcome>;
}

type ActContext = Context<typeof ACT_OPTIONS>;

/** @returns the exit code */
export async function runAct(context: ActContext, act: Act): Promise<number> {
  const { values, arguments: ids } = context;
  const filtered = values.where !== undefined || values.all;
  if (ids.length > 0 && filtered) throw new UsageError("give either ids, or a filter");
  if (ids.length > 0) return onIds(context, act);
  if (!filtered) throw new UsageError("which tasks? Give ids, --where or --all");
  const where = filterOf(values.where);
  // A variable of a script may be empty.
  if (!values.all && Object.keys(where).length === 0)
    throw new UsageError("the filter is empty: give --all for all tasks");
  return onFilter(context, act, where);
}

async function onIds({ values, arguments: ids, output, signal, open }: ActContext, act: Act): Promise<number> {
  const { store } = await open();
  const dryRun = values["dry-run"] ?? false;
  const results: { taskId: string; done: boolean; newTaskId: string | null; error: string | null }[] = [];
  for (const given of ids) {
    signal.throwIfAborted();
    try {
      const taskId = await taskIdOf(store, given);
      const { newTaskId = null } = dryRun ? {} : await act.one(store, taskId);
      results.push({ taskId, done: true, newTaskId, error: null });
      if (!output.json)
        output.line(
          `${dryRun ? "would have " : ""}${act.done} ${taskId}${newTaskId === null ? "" : ` as ${newTaskId}`}`,
        );
    } catch (error) {
      if (signal.aborted || isOfStore(error)) throw error;
      results.push({ taskId: given, done: false, newTaskId: null, error: failureText(error) });
      output.error(failureText(error));
    }
  }
  const done = results.filter((result) => result.done).length;
  if (output.json) output.document({ dryRun, done, skipped: {}, scanned: ids.length, results });
  return done === results.length ? EXIT.ok : EXIT.failed;
}

/** The failure is none of this task, and would be that of the others, too. */
function isOfStore(error: unknown): boolean {
  return /^(BACKEND_UNAVAILABLE|SCHEMA_MISMATCH|STORE_CLOSED|NOT_SUPPORTED)$/.test(
    `${(error as { code?: unknown }).code}`,
  );
}

async function onFilter(context: ActContext, act: Act, where: TaskFilter): Promise<number> {
  const { values, output } = context;
  const dryRun = values["dry-run"] ?? false;
  const outcome = await bulk(context, act, (store, options) => act.many(store, where, options));
  if (outcome === undefined) return EXIT.failed;
  if (output.json) output.document({ dryRun, ...outcome, results: [] });
  else output.line(outcomeText(act, outcome, dryRun));
  return EXIT.ok;
}

/**
 * Counts, asks, and acts in bounded steps.
 * @returns nothing if the answer was no
 */
export async function bulk(
  { values, output, signal, open }: Pick<Context<typeof DRY_RUN & typeof YES>, "values" | "output" | "signal" | "open">,
  { verb, done }: Pick<Act, "verb" | "done">,
  run: (store: TaskStore, options: BulkOptions & { signal: AbortSignal }) => Promise<BulkOutcome>,
): Promise<BulkOutcome | undefined> {
  const dryRun = values["dry-run"] ?? false;
  const asks = !dryRun && !values.yes;
  // Without a terminal, nothing is counted for nothing.
  if (asks && !process.stdin.isTTY) await confirmed("", signal);
  const { store } = await open();
  const counting = (soFar: BulkOutcome) => output.progress(`counting: ${count(soFar.done, "task")}`);
  if (asks) {
    const found = await run(store, { dryRun: true, signal, onProgress: counting });
    output.endProgress();
    if (found.done === 0) return found;
    const skipped = skippedText(found);
    if (!(await confirmed(`${verb} ${count(found.done, "task")}${skipped}?`, signal))) {
      output.note("nothing was done");
      return undefined;
    }
  }
  let soFar: BulkOutcome | undefined;
  const onProgress = (outcome: BulkOutcome) => {
    soFar = outcome;
    if (dryRun) counting(outcome);
    else output.progress(`${done} ${count(outcome.done, "task")}`);
  };
  try {
    return await run(store, { dryRun, signal, onProgress });
  } catch (error) {
    if (!dryRun) output.note(`${done} ${count(soFar?.done ?? 0, "task")} before the end`);
    throw error;
  } finally {
    output.endProgress();
  }
}

export function outcomeText({ done }: Pick<Act, "done">, outcome: BulkOutcome, dryRun: boolean): string {
  return `${dryRun ? "would have " : ""}${done} ${count(outcome.done, "task")}${skippedText(outcome)}`;
}

function skippedText({ skipped }: BulkOutcome): string {
  const reasons = { ended: "ended", active: "active", changed: "changed meanwhile" } as const;
  const parts = Object.entries(reasons).flatMap(([reason, text]) => {
    const number = skipped[reason as keyof typeof reasons] ?? 0;
    return number > 0 ? [`${number.toLocaleString("en-US")} ${text}`] : [];
  });
  return parts.length > 0 ? ` (left out: ${parts.join(", ")})` : "";
}
