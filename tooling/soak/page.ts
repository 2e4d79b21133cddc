import { machine } from "../bench/machine.ts";
import type { SoakOptions } from "./options.ts";
import type { Sample } from "./sample.ts";
import type { Tally } from "./scene.ts";
import { growthOf, type MemoryKind, mib, type Samples } from "./verdict.ts";

export interface Outcome {
  readonly store: string;
  readonly title: string;
  /** Lives per second. */
  readonly rate: number;
  readonly maximum: number;
  /** The share of a processor that the watched process took. */
  readonly cpu: number;
  readonly samples: Samples;
  readonly tally: Tally;
  /** What is wrong. */
  readonly found: readonly string[];
}

/** The results as a page. */
export function pageOf(outcomes: readonly Outcome[], { minutes, faultSeconds }: SoakOptions): string {
  const { cpu, cores, memoryGiB, system } = machine();
  return `# The last soak

Written by \`npx pnpm@12 soak --out tooling/soak/results.md\`, which says with \`--help\` what it does.

- ${new Date().toISOString().slice(0, 10)}, ${minutes} minutes of load, a fault every ${faultSeconds} s
- Node ${process.versions.node}, ${system}, ${cores} × ${cpu}, ${memoryGiB} GiB
${outcomes.map(sectionOf).join("\n")}`;
}

function sectionOf({ store, title, rate, maximum, cpu, samples, tally, found }: Outcome): string {
  const { start, minutes, end } = samples;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const kinds: MemoryKind[] = ["heapUsed", "rss", "external", "arrayBuffers"];
  return `
## ${store}

${title}. ${rate.toFixed(1)} lives of tasks per second, ${percent(rate / maximum)} of the maximum measured before (${maximum.toFixed(0)}).
The watched process took ${percent(cpu)} of a processor.

**${found.length === 0 ? "Nothing lost, nothing grew." : found.join("; ")}**

- Lives: ${list(tally.ended)}. Refused during faults: ${tally.refused}. Not begun: ${tally.skipped}. Lost: ${tally.lost.length}.
- Faults: ${list(tally.faults)}.
- Events delivered: ${end.counted.delivered}. Failures reported to \`onError\`: ${end.counted.errors}.

| memory | first quarter, median | last quarter, median | growth | noise |
| --- | --- | --- | --- | --- |
${kinds.map((kind) => memoryRow(kind, minutes)).join("\n")}

| held | at the start | at the end |
| --- | --- | --- |
${heldRows(start, end)}
`;
}

function memoryRow(kind: MemoryKind, minutes: readonly Sample[]): string {
  const growth = growthOf(minutes, kind);
  if (!growth) return `| ${kind} | too few samples (${minutes.length}) | | | |`;
  const { first, last, noise } = growth;
  return `| ${kind} | ${mib(first)} | ${mib(last)} | ${mib(last - first)} | ${mib(noise)} |`;
}

function heldRows(start: Sample, end: Sample): string {
  const names = [...new Set([...Object.keys(start.held), ...Object.keys(end.held)])];
  return names.map((name) => `| ${name} | ${start.held[name] ?? 0} | ${end.held[name] ?? 0} |`).join("\n");
}
