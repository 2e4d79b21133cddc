import type { NameStats, Percentiles, TaskStats, TaskStatus } from "@mcp-task-store/core";
import { UsageError } from "./exit.ts";
import type { Output } from "./output/output.ts";
import { type Column, table } from "./output/table.ts";
import { count, durationText, fitted, sparkline } from "./output/text.ts";

/** The number of `--scan`. @throws UsageError */
export function scanOf(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^[1-9]\d{0,11}$/.test(text)) throw new UsageError("--scan takes a whole number from 1");
  return Number(text);
}

/** Counts and times as JSON. A field without a value is null. */
export function statsJson(stats: TaskStats) {
  return {
    ...stats,
    oldestClaimableMs: stats.oldestClaimableMs ?? null,
    names: Object.fromEntries(
      Object.entries(stats.names).map(([name, each]) => [
        name,
        { ...each, oldestClaimableMs: each.oldestClaimableMs ?? null },
      ]),
    ),
    minutes: stats.minutes.map((minute) => ({
      ...minute,
      waitMs: minute.waitMs ?? null,
      runMs: minute.runMs ?? null,
    })),
  };
}

/** Counts and times as lines for people. */
export function statsLines(output: Output, stats: TaskStats): string[] {
  return [...totalsLines(output, stats), ...nameLines(output, stats)];
}

/** Columns of the labels. */
const LABEL = 8;

function totalsLines(output: Output, { counts, running, claimable, oldestClaimableMs, stuck, minutes }: TaskStats) {
  const ended = minutes.map(({ completed, failed, cancelled }) => completed + failed + cancelled);
  const hour = ended.reduce((sum, each) => sum + each, 0);
  const failedInHour = minutes.reduce((sum, { failed }) => sum + failed, 0);
  const timed = minutes.findLast(({ runMs }) => runMs !== undefined);
  const oldest = oldestClaimableMs === undefined ? "" : `, the oldest for ${durationText(oldestClaimableMs)}`;
  const inHour = `${count(hour, "task")} ended, ${failedInHour} failed`;
  // A narrow terminal shows the last minutes.
  const minutesShown = Math.max(1, Math.min(ended.length, output.width - LABEL - inHour.length - 2));
  const lines: [label: string, text: string][] = [
    [
      "active",
      `${counts.working} working, ${counts.input_required} waiting for input; ${running} running, ${claimable} claimable${oldest}`,
    ],
    ["ended", `${counts.completed} completed, ${counts.failed} failed, ${counts.cancelled} cancelled`],
    ["hour", hour === 0 ? inHour : `${inHour}  ${sparkline(ended.slice(-minutesShown))}`],
  ];
  if (timed?.runMs && timed.waitMs)
    lines.push([
      "times",
      `at ${timed.minute.slice(11, 16)} UTC: waits ${percentilesText(timed.waitMs)}; runs ${percentilesText(timed.runMs)}`,
    ]);
  if (stuck > 0) lines.push(["stuck", `${count(stuck, "task")}: mcp-tasks list --where stuck`]);
  return lines.map(([label, text]) => output.style("dim", label.padEnd(LABEL)) + fitted(text, output.width - LABEL));
}

function percentilesText({ p50, p95, p99 }: Percentiles): string {
  return `p50 ${durationText(p50)}, p95 ${durationText(p95)}, p99 ${durationText(p99)}`;
}

type NameRow = readonly [name: string, stats: NameStats];

function nameLines(output: Output, { names }: TaskStats): string[] {
  const rows = Object.entries(names);
  if (rows.length === 0) return [];
  const number = (title: string, of: (stats: NameStats) => number, keep?: number): Column<NameRow> => ({
    title,
    of: ([, stats]) => `${of(stats)}`,
    side: "right",
    ...(keep === undefined ? {} : { keep }),
  });
  const status = (title: string, of: TaskStatus, keep?: number) => number(title, ({ counts }) => counts[of], keep);
  const columns: Column<NameRow>[] = [
    { title: "NAME", of: ([name, { paused }]) => (paused ? `${name} (paused)` : name), least: 8 },
    status("WORKING", "working"),
    status("INPUT", "input_required", 3),
    number("RUNNING", ({ running }) => running, 5),
    number("CLAIMABLE", ({ claimable }) => claimable),
    {
      title: "OLDEST",
      of: ([, { oldestClaimableMs }]) => (oldestClaimableMs === undefined ? "-" : durationText(oldestClaimableMs)),
      side: "right",
      keep: 6,
    },
    status("COMPLETED", "completed", 2),
    status("FAILED", "failed", 4),
    status("CANCELLED", "cancelled", 1),
    number("STUCK", ({ stuck }) => stuck, 7),
  ];
  return ["", ...table(columns, rows, output.width)];
}
