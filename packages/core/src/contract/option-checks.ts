import { invalid } from "./errors.ts";

/**
 * Checks the value of one option. Returns `undefined` for a valid value, and otherwise what the
 * option must be.
 * @param where Names the call in messages, for instance `startWorker`.
 * @param path The option with the options around it, for instance `limits.ttl.default`.
 */
export type OptionCheck = (value: unknown, where: string, path: string) => string | undefined;

/**
 * The check of every option. With the type of the options as `Options`, the compiler refuses a
 * table that misses one.
 */
export type OptionTable<Options = Record<string, unknown>> = {
  readonly [Name in keyof Options]-?: OptionCheck;
};

/**
 * Longest time of an option in milliseconds. A timer above 2^31 ms fires at once, so this leaves
 * room for sums.
 */
const MAX_MS = 2_000_000_000;

/** Checks for the values of options. */
export const checks = {
  anything: () => undefined,
  flag: (value: unknown) => (typeof value === "boolean" ? undefined : "true or false"),
  text: (value: unknown) =>
    typeof value === "string" && value.trim() !== "" ? undefined : "a string that is not empty",
  callable: (value: unknown) => (typeof value === "function" ? undefined : "a function"),
  object: (value: unknown) => (isObject(value) ? undefined : "an object"),
  signal: (value: unknown) =>
    isObject(value) && typeof value["aborted"] === "boolean" && typeof value["addEventListener"] === "function"
      ? undefined
      : "an AbortSignal",
  clock: (value: unknown) =>
    (isObject(value) || typeof value === "function") && typeof (value as { now?: unknown }).now === "function"
      ? undefined
      : "an object with now(), such as Date",
  number:
    (min: number, max = Number.MAX_SAFE_INTEGER): OptionCheck =>
    (value) =>
      typeof value === "number" && value >= min && value <= max ? undefined : `a number from ${min} to ${max}`,
  whole:
    (min: number, max = Number.MAX_SAFE_INTEGER): OptionCheck =>
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? undefined
        : `a whole number from ${min} to ${max}`,
  /** A whole number of milliseconds. */
  milliseconds: (min: number): OptionCheck => checks.whole(min, MAX_MS),
  oneOf:
    (...values: readonly (string | boolean | null)[]): OptionCheck =>
    (value) =>
      values.includes(value as string) ? undefined : listed(values.map((each) => JSON.stringify(each))),
  /** One of these values, or a value that passes the check. */
  or:
    (check: OptionCheck, ...values: readonly (boolean | null)[]): OptionCheck =>
    (value, where, path) => {
      if (values.includes(value as null)) return undefined;
      const wanted = check(value, where, path);
      return wanted && `${listed(values.map(String))} or ${wanted}`;
    },
  /** An object with options of its own. */
  options:
    (table: OptionTable): OptionCheck =>
    (value, where, path) => {
      if (!isObject(value)) return `an object with ${listed(Object.keys(table))}`;
      checkOptions(where, value, table, path);
      return undefined;
    },
} as const satisfies Record<string, OptionCheck | ((...of: never[]) => OptionCheck)>;

/**
 * Refuses options that do not exist and values of the wrong kind. An option that is `undefined`
 * counts as not given. Messages hold no value, because a value may be a credential.
 * @throws TaskStoreError `INVALID_ARGUMENT`, with the option's name and the nearest one that exists
 */
export function checkOptions(where: string, options: unknown, table: OptionTable, inside = ""): void {
  if (!isObject(options))
    throw invalid(`${where} takes an object with ${listed(Object.keys(table))}, not ${kindOf(options)}`);
  for (const name of Object.keys(options)) {
    const value = options[name];
    if (value === undefined) continue;
    const path = inside === "" ? name : `${inside}.${name}`;
    if (!Object.hasOwn(table, name)) throw unknownOption(where, path, name, Object.keys(table), inside);
    checked(path, value, table[name] as OptionCheck, where);
  }
}

/** Returns the value if the check takes it. @throws TaskStoreError `INVALID_ARGUMENT` otherwise */
export function checked<Value>(path: string, value: Value, check: OptionCheck, where = ""): Value {
  const wanted = check(value, where, path);
  if (wanted !== undefined) throw invalid(`${path} must be ${wanted}${unlessNumber(value)}`);
  return value;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` unless exactly one of two options is given */
export function checkEither<Options extends object>(options: Options, one: keyof Options, other: keyof Options): void {
  if ((options[one] === undefined) !== (options[other] === undefined)) return;
  const empty = options[one] === undefined ? [one, other].find((name) => Object.hasOwn(options, name)) : undefined;
  throw invalid(
    empty === undefined
      ? `Give either ${String(one)} or ${String(other)}`
      : `${String(empty)} is undefined: if it comes from an environment variable, set that`,
  );
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that has no effect beside another one */
export function checkBeside<Options extends object>(
  options: Options,
  given: keyof Options,
  useless: readonly (keyof Options)[],
): void {
  if (options[given] === undefined) return;
  for (const name of useless)
    if (options[name] !== undefined)
      throw invalid(`${String(name)} has no effect beside ${String(given)}: leave it out`);
}

/** Picks the options that are in the table. */
export function pickOptions<Options>(options: object, table: OptionTable<Options>): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(table, name))) as Options;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownOption(where: string, path: string, name: string, known: readonly string[], inside: string) {
  const near = nearest(name, known);
  const help =
    near === undefined
      ? `. It takes ${listed(known)}`
      : `: did you mean ${JSON.stringify(inside === "" ? near : `${inside}.${near}`)}?`;
  return invalid(`${where} does not know ${JSON.stringify(path)}${help}`);
}

/** Finds the known name that is nearest to a misspelt one, if one is near enough. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const given = name.toLowerCase();
  const near = known
    .map((candidate) => ({ candidate, steps: steps(given, candidate.toLowerCase()) }))
    .filter(({ candidate, steps }) => steps <= Math.max(2, candidate.length / 4))
    .toSorted((a, b) => a.steps - b.steps);
  return near[0]?.candidate;
}

/**
 * The Levenshtein distance of two names. It counts as 1 when the longer name contains the shorter
 * one.
 */
function steps(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short !== long && short.length > 3 && long.includes(short)) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** `a, b or c` */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** Names the kind of a value, without the value. A number of the wrong size needs no kind. */
function unlessNumber(value: unknown): string {
  return typeof value === "number" ? "" : `, not ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  const kind = typeof value;
  return kind === "object" ? "an object" : `a ${kind}`;
}
