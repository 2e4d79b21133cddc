// A violation as a table, and a run as a line.

import type { Violation } from "./judge.ts";
import type { Operation } from "./operation.ts";
import type { RunOutcome } from "./run.ts";

/** Lines of a table. The last operations are those that contradict the ones before. */
const LINES = 20;

/** The operations of a violation, a line each, with times in milliseconds of the run. */
export function tableOf({ register, operations, of }: Violation): string {
  const rows = operations
    .toSorted((one, other) => one.invoked - other.invoked)
    .map(({ process, invoked, returned, call, answer }) => [
      String(process),
      invoked.toFixed(2),
      returned === Infinity ? "?" : returned.toFixed(2),
      texts(call),
      answer === "unknown" ? "unknown" : "error" in answer ? answer.error : texts(answer.seen),
    ]);
  const left = rows.length - LINES;
  const head = ["process", "called at", "answered at", "call", "answer"];
  const shown = [head, ...rows.slice(-LINES)];
  const widths = head.map((_, column) => Math.min(60, Math.max(...shown.map((row) => (row[column] as string).length))));
  const lines = shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join("  ")
      .trimEnd(),
  );
  const title = `${register}: ${operations.length} of its ${of} operations have no order${left > 0 ? `; the first ${left} are left out` : ""}`;
  return [title, ...lines].map((line) => `  ${line}`).join("\n");
}

function texts(values: Operation["call"] | object): string {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return (
    entries.map(([name, value]) => (name === "do" ? value : `${name}=${value === null ? "-" : value}`)).join(" ") ||
    "ok"
  );
}

/** What a run did and found. */
export function summaryOf(outcome: RunOutcome, seed: number): string {
  const { description, operations, unknown, registers, violations, undecided, acts, processes, ranMs, checkedMs } =
    outcome;
  const harm = [...acts].sort().map(([name, count]) => `${count} ${name}`);
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  return (
    `histories: ${description}: ${operations} operations on ${registers} tasks, queues and capped owners by ${processes} processes, ${unknown} with ` +
    `unknown outcomes; ${harm.join(", ") || "no faults"}; ${violations.length} violations, ${undecided.length} undecided; ` +
    `${seconds(ranMs)} s, checked in ${seconds(checkedMs)} s (seed ${seed})`
  );
}
