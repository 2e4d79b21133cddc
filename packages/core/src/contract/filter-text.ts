import { isIsoDate } from "./checks.ts";
import { invalid } from "./errors.ts";
import type { PayloadFilter, StatusOrKind, TaskFilter } from "./operations.ts";
import { isTaskStatus } from "./task.ts";

/** The words of a filter's text, for help and completion. */
export const FILTER_WORDS: Readonly<Record<string, string>> = Object.freeze({
  status: "status=failed, or several: status=failed,cancelled. Also active and ended",
  name: "name=render: the tool's name",
  owner: "owner=alice; the word unowned alone takes tasks without owner",
  unowned: "tasks without owner",
  id: "id=4f2a: how the id begins",
  age: "age>1h: made more than an hour ago; age<10m",
  created: "created>2026-11-01 or created>1d (since a day ago); < for before",
  changed: "changed<1h: no change for an hour",
  ended: "ended>2h: ended in the last two hours",
  attempts: "attempts>=2",
  stuck: "tasks that seem to need help; stuck>5m sets what is too long",
  host: "host=web-3: tasks that a runner on this host holds",
  pid: "pid=4711",
  worker: "worker=mill",
  args: "args.customer=acme: a field of the arguments",
  params: "params.field=3: a field of the request's params",
  context: "context.trace=t1",
  result: "result.grade=fine",
  error: "error.code=-32603",
});

const PAYLOADS: Readonly<Record<string, keyof PayloadFilter>> = {
  args: "arguments",
  arguments: "arguments",
  params: "params",
  context: "context",
  result: "result",
  error: "error",
};

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Term {
  readonly text: string;
  readonly path: readonly string[];
  readonly op: string;
  /** Absent of a word that stands alone. */
  readonly value: { readonly text: string; readonly quoted: boolean } | undefined;
}

/**
 * The filter of a text such as `status=failed name=render age>1h args.customer=acme`: terms with
 * spaces between them, which must all hold. A value with spaces stands in quotation marks. The
 * command line and the dashboard's search box take this language.
 * @param now The time that ages count back from.
 * @throws TaskStoreError `INVALID_ARGUMENT`, with the term that is wrong
 * @example
 * const where = parseTaskFilter("stuck name=render args.customer=acme");
 */
export function parseTaskFilter(text: string, now: Date = new Date()): TaskFilter {
  let filter: TaskFilter = {};
  for (const term of termsOf(text)) {
    const alone: TaskFilter = {};
    add(alone, term, now.getTime());
    filter = bothOf(filter, alone, term) as TaskFilter;
  }
  return filter;
}

/** All terms must hold, so none may take the place of another. */
function bothOf(one: object, other: object, term: Term): object {
  const both: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = Object.hasOwn(both, key) ? both[key] : undefined;
    if (before !== undefined && !(isPart(before) && isPart(value)))
      throw wrongTerm(term.text, "a term before it says otherwise, and all of them must hold");
    const merged = before === undefined ? value : bothOf(before as object, value as object, term);
    Object.defineProperty(both, key, { value: merged, enumerable: true, configurable: true, writable: true });
  }
  return both;
}

function isPart(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

const PART = /"(?:[^"\\]|\\.)*"|[^\s"=<>.]+/y;
const VALUE = /"(?:[^"\\]|\\.)*"|[^\s"]*/y;

function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  for (take(/\s*/y); at < text.length; take(/\s*/y)) {
    const start = at;
    const wrong = () => wrongTerm(text.slice(start).split(/\s/, 1)[0] ?? "", "a term is a word, or name=value");
    const path: string[] = [];
    do {
      const part = take(PART);
      if (part === undefined) throw wrong();
      path.push(unquoted(part));
    } while (take(/\./y));
    const op = take(/[<>]=?|=/y);
    const value = op === undefined ? undefined : take(VALUE);
    if (at < text.length && !/\s/.test(text[at] as string)) throw wrong();
    terms.push({
      text: text.slice(start, at),
      path,
      op: op ?? "",
      value: value === undefined ? undefined : { text: unquoted(value), quoted: value.startsWith('"') },
    });
  }
  return terms;
}

function unquoted(part: string): string {
  if (!part.startsWith('"')) return part;
  try {
    return JSON.parse(part) as string;
  } catch {
    throw wrongTerm(part, "a text in quotation marks is written as in JSON");
  }
}

function wrongTerm(term: string, why: string) {
  return invalid(`The filter's term ${JSON.stringify(term.slice(0, 80))} is not understood: ${why}`);
}

function add(filter: TaskFilter, term: Term, now: number): void {
  const [key = "", ...inside] = term.path;
  const payload = PAYLOADS[key];
  if (payload !== undefined && inside.length > 0) {
    addPayload(filter, payload, inside, term);
    return;
  }
  if (inside.length > 0 || !Object.hasOwn(FILTER_WORDS, key) || payload !== undefined)
    throw wrongTerm(term.text, `the words are ${Object.keys(FILTER_WORDS).join(", ")}`);
  switch (key) {
    case "status":
      filter.status = listOf(term).map((each) => statusOf(each, term));
      break;
    case "name":
      filter.name = listOf(term);
      break;
    case "owner":
      filter.owner = listOf(term);
      break;
    case "unowned":
      if (term.value) throw wrongTerm(term.text, "unowned stands alone");
      filter.owner = null;
      break;
    case "id":
      filter.idPrefix = equal(term);
      break;
    case "age": {
      const at = new Date(now - durationOf(term));
      filter.created = isMore(term) ? { before: at } : { after: at };
      break;
    }
    case "created":
    case "changed":
    case "ended":
      filter[key] = isMore(term) ? { after: timeOf(term, now) } : { before: timeOf(term, now) };
      break;
    case "attempts":
      filter.attempts = attemptsOf(term);
      break;
    case "stuck":
      filter.stuck = term.value === undefined || { overdueMs: durationOf(term), waitingMs: durationOf(term) };
      if (term.value !== undefined && !isMore(term)) throw wrongTerm(term.text, "stuck takes >, as in stuck>5m");
      break;
    case "pid":
      filter.holder = { pid: numberOf(term) };
      break;
    case "host":
    case "worker":
      filter.holder = { [key]: equal(term) };
  }
}

function addPayload(filter: TaskFilter, payload: keyof PayloadFilter, path: readonly string[], term: Term): void {
  const { text, quoted } = term.value ?? { text: "", quoted: false };
  equal(term);
  let value: unknown = text;
  if (!quoted) {
    try {
      value = JSON.parse(text);
    } catch {
      // A word is a text.
    }
  }
  for (const key of path.toReversed())
    value = Object.defineProperty({}, key, { value, enumerable: true, configurable: true, writable: true });
  filter.payload = { [payload]: value };
}

function equal(term: Term): string {
  if (term.op !== "=" || term.value === undefined || (term.value.text === "" && !term.value.quoted))
    throw wrongTerm(term.text, "it takes = and a value");
  return term.value.text;
}

function listOf(term: Term): string[] {
  const text = equal(term);
  return term.value?.quoted ? [text] : text.split(",");
}

function statusOf(text: string, term: Term): StatusOrKind {
  if (text === "active" || text === "ended" || isTaskStatus(text)) return text;
  throw wrongTerm(
    term.text,
    "a status is working, input_required, completed, failed or cancelled; active and ended stand for several",
  );
}

function isMore(term: Term): boolean {
  if (!/^[<>]/.test(term.op)) throw wrongTerm(term.text, "it takes < or >");
  return term.op.startsWith(">");
}

function durationIn(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit as string] as number);
}

function durationOf(term: Term): number {
  const ms = durationIn(term.value?.text ?? "");
  if (ms === undefined) throw wrongTerm(term.text, "it takes a duration such as 90s, 5m, 2h or 3d");
  return ms;
}

function timeOf(term: Term, now: number): Date {
  const text = term.value?.text ?? "";
  const ms = durationIn(text);
  const time = ms === undefined ? new Date(text) : new Date(now - ms);
  if ((ms === undefined && !isIsoDate(text)) || Number.isNaN(time.getTime()))
    throw wrongTerm(term.text, "it takes a date such as 2026-11-27 or a duration such as 2h");
  return time;
}

function numberOf(term: Term): number {
  const number = Number(term.value?.text || Number.NaN);
  if (!Number.isSafeInteger(number) || number < 0) throw wrongTerm(term.text, "it takes a whole number");
  return number;
}

function attemptsOf(term: Term): { min?: number; max?: number } {
  const count = numberOf(term);
  switch (term.op) {
    case ">":
      return { min: count + 1 };
    case ">=":
      return { min: count };
    case "<":
      return { max: Math.max(0, count - 1) };
    case "<=":
      return { max: count };
    default:
      return { min: count, max: count };
  }
}
