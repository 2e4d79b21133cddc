/**
 * The ratios of a store as an SVG: a dot for each median, a bar for the quartiles, on a logarithmic
 * scale around 1.
 */
import type { Row } from "./scenario.ts";
import type { Results, Section } from "./section.ts";
import { numberOf } from "./table.ts";

const LINE = 22;
const LABELS = 330;
const PLOT = 380;
const VALUES = 250;
const MARGIN = 16;
/** The power of 2 at which the scale ends, at most. */
const MOST_POWER = 3;
const WIDTH = MARGIN + LABELS + PLOT + VALUES + MARGIN;

const LEGEND =
  "Dot: median of the rounds; bar: quartiles; upright mark: goal. Right of 1 we are ahead; beyond 8 dots stand at the edge.";

/** Colours of the light and the dark scheme. An embedded image follows the reader's system. */
const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }
    .background { fill: #ffffff; } .title { font-weight: 600; font-size: 14px; } .dim { fill: #59636e; }
    .grid { stroke: #d1d9e0; } .one { stroke: #59636e; } .goal { stroke: #9a6700; stroke-width: 2; }
    .ahead { fill: #0969da; stroke: #0969da; } .behind { fill: #bc4c00; stroke: #bc4c00; } .bar { opacity: 0.35; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; } .background { fill: #0d1117; } .dim { fill: #9198a1; }
      .grid { stroke: #3d444d; } .one { stroke: #9198a1; } .goal { stroke: #d29922; }
      .ahead { fill: #4493f8; stroke: #4493f8; } .behind { fill: #db6d28; stroke: #db6d28; }
    }`;

type Compared = Row & Required<Pick<Row, "other" | "ratio">>;

const isCompared = (row: Row): row is Compared => row.ratio !== undefined && row.other !== undefined;

export function chartOf({ store, sections }: Results): string {
  const shown = sections
    .map((section) => ({ section, rows: section.rows.filter(isCompared) }))
    .filter(({ rows }) => rows.length > 0);
  const scale = new Scale(shown.flatMap(({ rows }) => rows));
  const parts: string[] = [];
  let y = MARGIN + 16;
  parts.push(text(MARGIN, y, `${store} store: how many times as good as the other`, "title"));
  y += LINE;
  parts.push(text(MARGIN, y, subtitle(sections), "dim"));
  y += LINE - 4;
  parts.push(text(MARGIN, y, LEGEND, "dim"));
  const top = y + 10;
  y += 30;
  for (const tick of scale.ticks)
    parts.push(text(scale.x(tick), y - 4, numberOf(tick).replace(/\.?0+$/, ""), "dim", "middle"));
  for (const { section, rows } of shown) {
    y += LINE;
    parts.push(text(MARGIN, y, `${section.scenario}, ${section.variant}`, "title"));
    for (const row of rows) {
      y += LINE;
      parts.push(drawn(row, y, scale));
    }
    y += 6;
  }
  const height = y + MARGIN;
  const grid = scale.ticks.map((tick) => {
    const x = scale.x(tick);
    return `<line class="${tick === 1 ? "one" : "grid"}" x1="${x}" x2="${x}" y1="${top + 18}" y2="${y + 4}"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
  <title>${escaped(`Benchmarks of the ${store} store`)}</title>
  <style>${STYLE}
  </style>
  <rect class="background" width="${WIDTH}" height="${height}" rx="6"/>
  ${[...grid, ...parts].join("\n  ")}
</svg>
`;
}

function drawn({ title, metric, unit, ours, other, ratio, goal }: Compared, y: number, scale: Scale): string {
  const shade = ratio.median >= 1 ? "ahead" : "behind";
  const [from, to, middle] = [scale.x(ratio.q1), scale.x(ratio.q3), y - 4];
  const label = `${title}${metric === "rate" ? "" : `, ${metric}`}: ${other.name}`;
  const figures = `${numberOf(ours.figure.median)} vs ${numberOf(other.figure.median)} ${unit}`;
  const mark = goal === undefined ? "" : tick(scale.x(goal), middle);
  return [
    text(MARGIN + 12, y, label),
    mark,
    `<rect class="bar ${shade}" x="${from}" y="${middle - 4}" width="${Math.max(1, round(to - from))}" height="8" rx="2"/>`,
    `<circle class="${shade}" cx="${scale.x(ratio.median)}" cy="${middle}" r="4"/>`,
    text(MARGIN + LABELS + PLOT + 12, y, `${ratio.median.toFixed(2)}`),
    text(WIDTH - MARGIN, y, figures, "dim", "end"),
  ].join("");
}

function tick(x: number, y: number): string {
  return `<line class="goal" x1="${x}" x2="${x}" y1="${y - 7}" y2="${y + 7}"/>`;
}

/** Text that all sections share appears once. */
function subtitle(sections: readonly Section[]): string {
  const [first] = sections;
  if (!first) return "";
  const { cpu, cores } = first.machine;
  const server = first.server === "none" ? "" : `${first.server.split(":")[0]}, `;
  return `${server}Node ${first.versions["node"]}, ${cores} cores of ${cpu}`;
}

/**
 * Powers of 2 around all quartiles and around 1. A value beyond the scale is at the edge, with its
 * number.
 */
class Scale {
  readonly ticks: readonly number[];
  readonly #low: number;
  readonly #high: number;

  constructor(rows: readonly Compared[]) {
    const exponents = rows.flatMap(({ ratio, goal = 1 }) => [ratio.q1, ratio.q3, goal].map(Math.log2));
    this.#low = Math.max(-MOST_POWER, Math.floor(Math.min(-1, ...exponents)));
    this.#high = Math.min(MOST_POWER, Math.ceil(Math.max(1, ...exponents)));
    this.ticks = Array.from({ length: this.#high - this.#low + 1 }, (_, index) => 2 ** (this.#low + index));
  }

  x(ratio: number): number {
    const power = Math.min(Math.max(Math.log2(ratio), this.#low), this.#high);
    return round(MARGIN + LABELS + (PLOT * (power - this.#low)) / (this.#high - this.#low));
  }
}

function text(x: number, y: number, content: string, style = "", anchor = "start"): string {
  return `<text x="${x}" y="${y}" class="${style}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
