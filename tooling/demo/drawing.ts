/**
 * Draws the output of a terminal as an SVG that replays it. A viewer without animation shows the
 * end.
 */
import { stripVTControlCharacters } from "node:util";

/** A program's output to its terminal, with its time in milliseconds after the start. */
export interface Chunk {
  readonly at: number;
  readonly text: string;
}

/** The content of a row for a time. `to` is absent if it stays until the end. */
interface Version {
  readonly row: number;
  readonly from: number;
  text: string;
  to?: number;
}

/** Least milliseconds between two versions of a row, since each is an element of the picture. */
const REDRAW_MS = 250;
/** Longer waits, as on a busy machine, are cut to this many milliseconds. */
const MOST_WAIT_MS = 800;
/** Milliseconds that the end stays before the picture restarts. */
const HOLD_MS = 6000;

const CHARACTER_WIDTH = 8.43;
const LINE_HEIGHT = 20;
const MARGIN = 20;

const ESCAPE = "\x1b";
/** "Select Graphic Rendition" of ECMA-48, with one parameter. */
const SGR = new RegExp(`${ESCAPE}\\[(\\d+)m`, "g");
const LINE_END = new RegExp(`(\\n|\\r${ESCAPE}\\[K)`);
/** CSS classes by that parameter. */
const CLASSES: Readonly<Record<string, string>> = { 1: "bold", 2: "dim", 31: "red", 32: "green", 33: "yellow" };

// The terminal has its own background, so it is readable on light and dark pages.
const STYLE = `text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
.bold{font-weight:700}.dim{fill:#9198a1}.red{fill:#ff7b72}.green{fill:#3fb950}.yellow{fill:#d29922}.past{visibility:hidden}`;

/** @param command The command line, which is the first line of the picture. */
export function draw(command: string, title: string, chunks: readonly Chunk[]): string {
  const played = withoutWaits(chunks);
  const versions = [{ row: 0, from: 0, text: `${ESCAPE}[2m$${ESCAPE}[22m ${command}` }, ...versionsOf(played)];
  const columns = Math.max(...versions.map(({ text }) => [...stripVTControlCharacters(text)].length));
  const rows = Math.max(...versions.map(({ row }) => row)) + 1;
  const width = Math.ceil(2 * MARGIN + columns * CHARACTER_WIDTH);
  const height = 2 * MARGIN + rows * LINE_HEIGHT;
  const lasts = (played.at(-1)?.at ?? 0) + HOLD_MS;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(title)}</title>
<style>${STYLE}
@media (prefers-reduced-motion:no-preference){
text{animation:${(lasts / 1000).toFixed(1)}s step-end infinite}
${versions.map((version, index) => keyframes(version, index, lasts)).join("\n")}
}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117" stroke="#8b949e" stroke-opacity=".4"/>
${versions.map((version, index) => element(version, index)).join("\n")}
</svg>
`;
}

function withoutWaits(chunks: readonly Chunk[]): Chunk[] {
  let now = 0;
  return chunks.map(({ at, text }, index) => {
    now += Math.min(at - (chunks[index - 1]?.at ?? at), MOST_WAIT_MS);
    return { at: now, text };
  });
}

/** The versions of all rows. It knows the control characters that the demo writes. */
function versionsOf(chunks: readonly Chunk[]): Version[] {
  const versions: Version[] = [];
  const current = new Map<number, Version>();
  let row = 1;
  let line = "";
  let sgr: readonly string[] = [];
  const show = (at: number) => {
    const last = current.get(row);
    if (stripVTControlCharacters(line) === "" || last?.text === line) return;
    if (last && at - last.from < REDRAW_MS) last.text = line;
    else {
      if (last) last.to = at;
      const version: Version = { row, from: at, text: line };
      current.set(row, version);
      versions.push(version);
    }
  };
  for (const { at, text } of chunks) {
    for (const part of text.split(LINE_END)) {
      if (part === "\n" || part.startsWith("\r")) {
        if (part === "\n") row += 1;
        // A style continues in the next line.
        line = sgr.map((parameter) => `${ESCAPE}[${parameter}m`).join("");
      } else {
        for (const [, parameter] of part.matchAll(SGR)) sgr = applied(sgr, parameter as string);
        line += part;
      }
      show(at);
    }
  }
  return versions;
}

function keyframes({ from, to }: Version, index: number, lasts: number): string {
  const percent = (at: number) => `${((100 * at) / lasts).toFixed(2)}%`;
  const end = to === undefined ? "" : `${percent(to)}{visibility:hidden}`;
  const steps = `0%{visibility:hidden}${percent(from)}{visibility:visible}${end}`;
  return `#v${index}{animation-name:v${index}}@keyframes v${index}{${from === 0 ? `0%{visibility:visible}${end}` : steps}}`;
}

function element({ row, text, to }: Version, index: number): string {
  const y = MARGIN + (row + 0.75) * LINE_HEIGHT;
  const length = ([...stripVTControlCharacters(text)].length * CHARACTER_WIDTH).toFixed(1);
  const past = to === undefined ? "" : ' class="past"';
  return `<text id="v${index}"${past} x="${MARGIN}" y="${y}" textLength="${length}">${spans(text)}</text>`;
}

function spans(text: string): string {
  let sgr: readonly string[] = [];
  return text
    .split(SGR)
    .map((part, index) => {
      // Text and parameters alternate.
      if (index % 2 === 1) sgr = applied(sgr, part);
      else if (sgr.length === 0 || part === "") return escaped(part);
      else return `<tspan class="${sgr.map((parameter) => CLASSES[parameter]).join(" ")}">${escaped(part)}</tspan>`;
      return "";
    })
    .join("");
}

/** The parameters in force after one more: 22 ends bold and dim, 39 ends a colour. */
function applied(sgr: readonly string[], parameter: string): readonly string[] {
  if (parameter === "22") return sgr.filter((each) => each.length > 1);
  if (parameter === "39") return sgr.filter((each) => each.length === 1);
  return [...sgr, parameter];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
