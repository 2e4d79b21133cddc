import type { Measured, Row, Spread } from "./scenario.ts";
import type { Section } from "./section.ts";

const HEAD = [
  "",
  "ours",
  "against",
  "theirs",
  "ratio",
  "quartiles",
  "least..greatest",
  "goal",
  "by CPU time",
  "our CPU",
  "their CPU",
];

/** A scenario on a store, for the terminal. */
export function tableOf({ title, rows }: Section): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => (isText(column) ? cell.padEnd : cell.padStart).call(cell, widths[column] ?? 0))
      .join("  "),
  );
  return [title, ...text.map((line) => `  ${line.trimEnd()}`)].join("\n");
}

function isText(column: number): boolean {
  return column === 0 || column === 2 || column === 7;
}

function cells({ title, metric, unit, better, limit, ours, other, ratio, cpu, goal }: Row): string[] {
  const label = metric === "rate" ? title : `${title}, ${metric}`;
  const figure = ({ median }: Spread) => `${numberOf(median)} ${unit}`;
  const judged = (wanted: string, reached: boolean) => `${wanted} ${reached ? "reached" : "missed"}`;
  const { median } = ours.figure;
  const higher = better === "higher";
  const bound =
    limit === undefined
      ? ""
      : judged(`${higher ? "least" : "most"} ${numberOf(limit)}`, higher ? median >= limit : median <= limit);
  if (!other || !ratio) return [label, figure(ours.figure), "", "", "", "", "", bound, "", busyOf(ours), ""];
  return [
    label,
    figure(ours.figure),
    other.name,
    figure(other.figure),
    ratio.median.toFixed(2),
    `${ratio.q1.toFixed(2)}..${ratio.q3.toFixed(2)}`,
    `${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)}`,
    goal === undefined ? bound : judged(goal.toFixed(2), ratio.median >= goal),
    cpu === undefined ? "" : cpu.median.toFixed(2),
    busyOf(ours),
    busyOf(other),
  ];
}

/** The share of all processors' time: of this process, and of the server if that is known. */
export function busyOf({ busy }: Measured): string {
  if (busy === undefined) return "";
  const shares = busy.server === undefined ? [busy.client] : [busy.client, busy.server];
  return shares.map((share) => `${Math.round(100 * share)}%`).join(" + ");
}

/** With as many digits as mean something. */
export function numberOf(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits });
}
