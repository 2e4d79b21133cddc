/** The results of a store as a page of Markdown, for the docs. */
import type { Results, Section } from "./results.ts";
import type { Row, Spread } from "./scenario.ts";
import { numberOf } from "./table.ts";

const HEAD = ["", "ours", "against", "theirs", "ratio", "quartiles", "goal"];

export function pageOf({ store, sections }: Results): string {
  const parts = sections.map(sectionOf);
  return [
    `# Benchmark: ${store}`,
    "Made by `npx pnpm@12 bench`. Each contestant runs right before or after ours, in several rounds whose order alternates; the ratio is taken within a round, above 1 we are better, and the table has the median and the quartiles.",
    `![The ratios as a chart](${store}.svg)`,
    ...parts,
    "",
  ].join("\n\n");
}

function sectionOf({
  title,
  notes,
  variant,
  server,
  settings,
  measuredAt,
  machine,
  versions,
  bench,
  rows,
}: Section): string {
  const inForce = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}`);
  const { cpu, cores, memoryGiB, system, fileSystem, loadBefore } = machine;
  const where = `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}, ${fileSystem}, load ${loadBefore.toFixed(1)} before`;
  const lines = [HEAD, HEAD.map(() => "---"), ...rows.map(cells)].map((line) => `| ${line.join(" | ")} |`);
  return [
    `## ${title} (${variant})`,
    lines.join("\n"),
    ...notes.map((note) => `- ${note}`),
    `${[server, ...inForce].join(", ")}. ${bench.rounds} rounds on ${measuredAt.slice(0, 10)}, ${where}. ${Object.entries(
      versions,
    )
      .map((version) => version.join(" "))
      .join(", ")}.`,
  ].join("\n\n");
}

function cells({ title, metric, unit, ours, other, ratio, goal, limit }: Row): string[] {
  const label = metric === "rate" ? title : `${title}, ${metric}`;
  const figure = ({ median }: Spread) => `${numberOf(median)} ${unit}`;
  const wanted = goal?.toFixed(2) ?? (limit === undefined ? "" : `${numberOf(limit)} ${unit}`);
  if (!other || !ratio) return [label, figure(ours.figure), "", "", "", "", wanted];
  const quartiles = `${ratio.q1.toFixed(2)} to ${ratio.q3.toFixed(2)}`;
  return [label, figure(ours.figure), other.name, figure(other.figure), ratio.median.toFixed(2), quartiles, wanted];
}
