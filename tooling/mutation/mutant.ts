/** One replaced part of a text. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** One change of a source file. */
export interface Mutant {
  /** Path from the root of the repository. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The line's text, without spaces around it. */
  readonly lineText: string;
  /** The replaced text and the text in its place, as `a < b -> a <= b`. */
  readonly change: string;
  /** The file with the change. */
  text(): string;
  /** The same after changes of other lines. */
  readonly id: string;
}

/** Most characters of each side of a change. */
const SHOWN = 70;

/** The mutants that the edits of a file make, in the order of the file. */
export function mutantsOf(file: string, source: string, edits: readonly Edit[]): Mutant[] {
  const mutants: Mutant[] = [];
  const known = new Set<string>();
  const alike = new Map<string, number>();
  const lines = source.split("\n");
  const starts: number[] = [];
  let length = 0;
  for (const each of lines) {
    starts.push(length);
    length += each.length + 1;
  }
  for (const { start, end, by } of edits.toSorted((one, other) => one.start - other.start || one.end - other.end)) {
    const replaced = source.slice(start, end);
    if (replaced === by) continue;
    const line = starts.findLastIndex((each) => each <= start) + 1;
    const change = `${shown(replaced)} -> ${shown(by)}`;
    const place = `${start} ${change}`;
    if (known.has(place)) continue;
    known.add(place);
    const lineText = (lines[line - 1] as string).trim();
    const text = `${file} ${lineText} ${change}`;
    const count = (alike.get(text) ?? 0) + 1;
    alike.set(text, count);
    // Made on demand, since most mutants are never run.
    const changed = () => source.slice(0, start) + by + source.slice(end);
    mutants.push({ file, line, lineText, change, text: changed, id: `${text} ${count}` });
  }
  return mutants;
}

function shown(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "nothing";
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}...` : line;
}

/** A number from 0 to 2^32, which depends on every character of the text. */
export function hash(text: string): number {
  let value = 2166136261;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 16777619);
  value = Math.imul(value ^ (value >>> 16), 2246822507);
  return (value ^ (value >>> 13)) >>> 0;
}

/** The same for the same seed, and every larger sample has the smaller one. */
export function sampleOf(mutants: readonly Mutant[], size: number, seed: number): Mutant[] {
  return mutants.toSorted((one, other) => hash(`${seed} ${one.id}`) - hash(`${seed} ${other.id}`)).slice(0, size);
}
