/** The results of a store as a page of Markdown, for the docs. */
import type { Row, Spread } from "./scenario.ts";
import type { Results, Section } from "./section.ts";
import { busyOf, numberOf } from "./table.ts";

const HEAD = ["", "ours", "against", "theirs", "ratio", "quartiles", "goal", "our CPU", "their CPU"];

export function pageOf({ store, sections }: Results): string {
  const scenarios = Map.groupBy(sections, ({ scenario }) => scenario);
  const parts = [...scenarios.values()].map(scenarioOf);
  return [
    `# Benchmark: ${store}`,
    "Made by `npx pnpm@12 bench`. Each contestant runs right before or after ours, in several rounds whose order alternates; the ratio is taken within a round, above 1 we are better, and the table has the median and the quartiles. CPU is the share of all processors' time that the process of the benchmark took, and after a plus the server of the database, if it is on the same machine.",
    `![The ratios as a chart](${store}.svg)`,
    ...parts,
    "## Where this was measured",
    ...[...Map.groupBy(sections, whereOf)].map(([where, measured]) => `- ${where}: ${namesOf(measured, sections)}.`),
    "",
  ].join("\n\n");
}

/** The variants of a store, one after the other, under a common header. */
function scenarioOf(variants: readonly Section[]): string {
  const [{ title, notes }] = variants as readonly [Section];
  return [`## ${title}`, notes.map((note) => `- ${note}`).join("\n"), ...variants.map(variantOf)].join("\n\n");
}

function variantOf({ variant, server, settings, measuredAt, machine, bench, rows }: Section): string {
  const inForce = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}`);
  const lines = [HEAD, HEAD.map(() => "---"), ...rows.map(cells)].map((line) => `| ${line.join(" | ")} |`);
  const when = `${bench.rounds} rounds on ${measuredAt.slice(0, 10)}, load ${machine.loadBefore.toFixed(1)} before`;
  return [`### ${variant}`, lines.join("\n"), `${[server, ...inForce].join(", ")}. ${when}.`].join("\n\n");
}

function whereOf({ machine, versions }: Section): string {
  const { cpu, cores, memoryGiB, system, fileSystem } = machine;
  const packages = Object.entries(versions).map((version) => version.join(" "));
  return `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}, ${fileSystem}; ${packages.join(", ")}`;
}

function namesOf(measured: readonly Section[], all: readonly Section[]): string {
  if (measured.length === all.length) return "everything";
  return measured.map(({ scenario, variant }) => `${scenario} (${variant})`).join(", ");
}

function cells({ title, metric, unit, ours, other, ratio, goal, limit }: Row): string[] {
  const label = metric === "rate" ? title : `${title}, ${metric}`;
  const figure = ({ median }: Spread) => `${numberOf(median)} ${unit}`;
  const wanted = goal?.toFixed(2) ?? (limit === undefined ? "" : `${numberOf(limit)} ${unit}`);
  if (!other || !ratio) return [label, figure(ours.figure), "", "", "", "", wanted, busyOf(ours), ""];
  const quartiles = `${ratio.q1.toFixed(2)} to ${ratio.q3.toFixed(2)}`;
  const compared = [other.name, figure(other.figure), ratio.median.toFixed(2), quartiles];
  return [label, figure(ours.figure), ...compared, wanted, busyOf(ours), busyOf(other)];
}
