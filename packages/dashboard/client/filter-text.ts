// Changes single terms of a filter's text. The server has the language itself.

const TERM = /(?:"(?:[^"\\]|\\.)*"|[^\s"])+/g;

export function termsOf(text: string): string[] {
  return text.match(TERM) ?? [];
}

/** A value as a term has it. */
export function quoted(value: string): string {
  return /^[^\s",\\]+$/.test(value) ? value : JSON.stringify(value);
}

function valuesOf(terms: readonly string[], word: string): string[] {
  const term = terms.find((each) => each.startsWith(`${word}=`));
  if (term === undefined) return [];
  const value = term.slice(word.length + 1);
  if (!value.startsWith('"')) return value.split(",");
  try {
    return [String(JSON.parse(value))];
  } catch {
    return [];
  }
}

/** Whether the text asks for this value of a word, or has the word alone. */
export function has(text: string, word: string, value?: string): boolean {
  const terms = termsOf(text);
  if (value === undefined) return terms.some((term) => term === word || term.startsWith(`${word}>`));
  return valuesOf(terms, word).includes(value);
}

/** Adds the value to those of its word, or takes it away. */
export function toggled(text: string, word: string, value?: string): string {
  // Tasks of an owner and tasks without one exclude each other.
  const other = word === "owner" ? /^unowned$/ : word === "unowned" ? /^owner=/ : undefined;
  const terms = termsOf(text).filter((term) => !other?.test(term));
  if (value === undefined) {
    const others = terms.filter((term) => term !== word && !term.startsWith(`${word}>`));
    return (has(text, word) ? others : [...others, word]).join(" ");
  }
  const others = terms.filter((term) => !term.startsWith(`${word}=`));
  const values = valuesOf(terms, word);
  const left = values.includes(value) ? values.filter((each) => each !== value) : [...values, value];
  // A value in quotation marks stands alone.
  const kept = left.every((each) => quoted(each) === each) ? left.join(",") : quoted(left.at(-1) ?? "");
  return (left.length > 0 ? [...others, `${word}=${kept}`] : others).join(" ");
}

export interface Suggestion {
  /** The text that replaces the term at the cursor. */
  readonly term: string;
  readonly help: string;
}

const STATUSES = ["active", "ended", "working", "input_required", "completed", "failed", "cancelled"];
const AGES = ["5m", "1h", "1d"];
/** Words that stand alone, and words that take something else than `=`. */
const ALONE = new Set(["unowned", "stuck"]);
const INSIDE = new Set(["args", "params", "context", "result", "error"]);

export interface Known {
  readonly words: Readonly<Record<string, string>>;
  readonly names: readonly string[];
  readonly owners: readonly string[];
}

/** What may be meant by the term at the cursor. */
export function suggestions(term: string, { words, names, owners }: Known): Suggestion[] {
  const [, word = "", op = "", value = ""] = /^([^=<>.]*)([=<>]*)(.*)$/.exec(term) ?? [];
  if (value.startsWith(".")) return [];
  if (op === "")
    return Object.entries(words)
      .filter(([each]) => each.startsWith(word) && each !== term)
      .map(([each, help]) => ({ term: each + (ALONE.has(each) ? "" : INSIDE.has(each) ? "." : opFor(each)), help }));
  const choices: Record<string, readonly string[]> = {
    status: STATUSES,
    name: names,
    owner: owners,
    age: AGES,
    created: AGES,
    changed: AGES,
    ended: AGES,
    stuck: AGES,
  };
  const before = value.slice(0, value.lastIndexOf(",") + 1);
  const last = value.slice(before.length);
  return (choices[word] ?? [])
    .filter((choice) => choice.startsWith(last) && choice !== last)
    .slice(0, 12)
    .map((choice) => ({ term: `${word}${op}${before}${quoted(choice)}`, help: "" }));
}

function opFor(word: string): string {
  if (word === "attempts") return ">=";
  if (word === "changed") return "<";
  return word === "age" || word === "created" || word === "ended" ? ">" : "=";
}
