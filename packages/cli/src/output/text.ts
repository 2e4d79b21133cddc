/**
 * Characters that could move the cursor, hide text or end a line. What tasks hold was written by
 * other programs.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The text on one line, without control characters. */
export function clean(text: string): string {
  return text.replace(CONTROL, (character) => (/\s/.test(character) ? " " : "�"));
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NARROWEST = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns that a character takes on a terminal. */
function columnsOf(character: string): number {
  if (character <= "~") return 1;
  if (NARROWEST.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that a clean text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** The text cut to a width, with an ellipsis where it was cut. */
export function fitted(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += columnsOf(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

export function padded(text: string, width: number, side: "left" | "right" = "left"): string {
  const gap = " ".repeat(Math.max(0, width - widthOf(text)));
  return side === "left" ? text + gap : gap + text;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

/** A duration in its largest unit: `850ms`, `12s`, `3m`, `2h`, `5d`. */
export function durationText(ms: number): string {
  const rounded = Math.max(0, Math.round(ms));
  for (const [unit, size] of UNITS) {
    if (rounded < size) continue;
    const whole = Math.floor(rounded / size);
    return `${whole}${unit}`;
  }
  return `${rounded}ms`;
}

/** How long ago the time was; `-` for none. */
export function ago(time: string | undefined | null, now = Date.now()): string {
  return time == null ? "-" : durationText(now - new Date(time).getTime());
}

/** A number of things: `1 task`, `1,200 tasks`. */
export function count(number: number, thing: string): string {
  return `${number.toLocaleString("en-US")} ${thing}${number === 1 ? "" : "s"}`;
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  ...Object.fromEntries(UNITS),
};

/** The milliseconds of a text such as `90s`; `undefined` if it is none. */
export function parseDuration(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (DURATION_UNITS[unit as string] as number);
}

const WIDTH = 20;

/** A bar of which this portion, from 0 to 1, is filled, with the percentage. */
export function bar(portion: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, portion)) * WIDTH);
  return `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${Math.floor(portion * 100)} %`;
}

const BARS = "▁▂▃▄▅▆▇█";

/** One bar for each value, a blank for 0. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 1);
  return values.map((value) => (value === 0 ? " " : BARS[Math.ceil((value / most) * BARS.length) - 1])).join("");
}
