import type { TaskRow } from "../src/wire.ts";

const count = new Intl.NumberFormat("en");
const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

export function number(value: number): string {
  return count.format(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** A duration in at most two units: `3h 12m`, `4.2 s`, `320 ms`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(Math.max(0, ms))} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  const from = UNITS.findIndex(([, size]) => ms >= size);
  const [unit, size] = UNITS[from] as (typeof UNITS)[number];
  const next = UNITS[from + 1];
  const rest = next ? Math.floor((ms % size) / next[1]) : 0;
  return `${Math.floor(ms / size)}${unit}${next && rest > 0 ? ` ${rest}${next[0]}` : ""}`;
}

/** How long ago, in one short unit for dense tables: `12s`, `3m`, `5d`. */
export function ago(time: string, now: string): string {
  const ms = Math.max(0, Date.parse(now) - Date.parse(time));
  const [unit, size] = UNITS.find((each) => ms >= each[1]) ?? ["s", 1000];
  return `${Math.floor(ms / size)}${unit}`;
}

/** A time of day, with the date unless it is today's. */
export function clock(time: string): string {
  const date = new Date(time);
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString("en-CA")} `;
  return day + date.toLocaleTimeString("en-GB");
}

export type State = "queued" | "running" | "input" | "completed" | "failed" | "cancelled";

/** What an operator wants to know of a status: a working task without runner is queued. */
export function stateOf({ status, holder }: Pick<TaskRow, "status" | "holder">): State {
  if (status === "input_required") return "input";
  if (status === "working") return holder ? "running" : "queued";
  return status;
}

export const STATE_LABELS: Readonly<Record<State, string>> = {
  queued: "Queued",
  running: "Running",
  input: "Needs input",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

export const STUCK_LABELS = {
  overdue: "No runner has taken it",
  lost: "Its runner was lost",
  waiting: "Its question has waited for long",
} as const;

export function isActive({ status }: Pick<TaskRow, "status">): boolean {
  return status === "working" || status === "input_required";
}
