import type { NameStats, TaskStats, TaskStatus } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import type { Output } from "../output/output.ts";
import { type Column, table } from "../output/table.ts";
import { count, durationText, sparkline } from "../output/text.ts";

const DEFAULT_SCAN = 100_000;

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: {
    scan: { type: "string", value: "N", help: `most tasks to look at, the newest first (${DEFAULT_SCAN})` },
  },
  details:
    "Active tasks are counted first. Counts of ended tasks are of the newest ones if there are more than were looked at.",
  async run({ values, output, open }) {
    const scan = scanOf(values.scan, DEFAULT_SCAN);
    const { store } = await open();
    const stats = await store.operations.stats({ scan });
    if (output.json) output.document(statsJson(stats));
    else for (const line of statsLines(output, stats)) output.line(line);
    if (!output.json && !stats.complete)
      output.note(`these are the newest ${count(stats.scanned, "task")}: --scan looks at more`);
    return EXIT.ok;
  },
});

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

export function statsLines(output: Output, stats: TaskStats): string[] {
  return [...totalsLines(output, stats), ...nameLines(output, stats)];
}

function totalsLines(output: Output, stats: TaskStats): string[] {
  const { counts, running, claimable, oldestClaimableMs, stuck, minutes } = stats;
  const label = (text: string) => output.style("dim", text.padEnd(8));
  const ended = minutes.map(({ completed, failed, cancelled }) => completed + failed + cancelled);
  const hour = ended.reduce((sum, each) => sum + each, 0);
  const failedInHour = minutes.reduce((sum, { failed }) => sum + failed, 0);
  const timed = minutes.findLast(({ runMs }) => runMs !== undefined);
  const wait = oldestClaimableMs === undefined ? "" : `, the oldest for ${durationText(oldestClaimableMs)}`;
  const lines = [
    `${label("active")}${counts.working} working, ${counts.input_required} waiting for input; ${running} running, ${claimable} claimable${wait}`,
    `${label("ended")}${counts.completed} completed, ${counts.failed} failed, ${counts.cancelled} cancelled`,
    `${label("hour")}${count(hour, "task")} ended, ${failedInHour} failed${hour > 0 ? `  ${sparkline(ended)}` : ""}`,
  ];
  if (timed?.runMs && timed.waitMs)
    lines.push(
      `${label("times")}at ${timed.minute.slice(11, 16)} UTC: waits p50 ${durationText(timed.waitMs.p50)}, p95 ${durationText(timed.waitMs.p95)}; runs p50 ${durationText(timed.runMs.p50)}, p95 ${durationText(timed.runMs.p95)}`,
    );
  if (stuck > 0)
    lines.push(`${label("stuck")}${output.style("red", count(stuck, "task"))}: mcp-tasks list --where stuck`);
  return lines;
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
