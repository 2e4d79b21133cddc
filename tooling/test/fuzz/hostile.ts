import fc from "fast-check";

/** Seconds for each property in the long run. Without it, a property has some hundred runs. */
const SECONDS = Number(process.env["TEST_FUZZ_SECONDS"] ?? 0);
/** The usual run sends the same each time, so that it fails for changes alone. */
const SEED = process.env["TEST_SEED"] ?? (SECONDS > 0 ? undefined : 1);

/** How long a property runs. A failure prints the seed, which `TEST_SEED` repeats. */
export function runs(count: number): fc.Parameters<unknown> {
  return {
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    ...(SECONDS > 0
      ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000, markInterruptAsFailure: false }
      : { numRuns: count }),
  };
}

/** For a test whose property runs that long. */
export const TIMEOUT_MS = SECONDS * 1000 + 300_000;
export const isLongRun = SECONDS > 0;

const PROTOTYPE_KEYS = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "toJSON", "then"];

export const hostileText = fc.oneof(
  fc.constantFrom(
    "",
    "\0",
    "\ud800",
    "\udc00\ud800",
    "\u2028",
    "ſ",
    "\r\n",
    "%00",
    "..",
    "*",
    "' OR 1=1 --",
    "$1",
    "{}",
  ),
  fc.constantFrom(...PROTOTYPE_KEYS),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("x".repeat(300), "é".repeat(3_000), "\0".repeat(1_000)),
);

const hostileNumber = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    -1,
    1,
    0.5,
    2 ** 31,
    -(2 ** 31),
    2 ** 53,
    1e21,
    1e308,
    Number.MIN_VALUE,
    8_640_000_000_000_001,
  ),
  fc.double(),
);

/** What JSON can hold. */
export const hostileJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(fc.constantFrom<unknown>(null, true, false), hostileText, hostileNumber.filter(Number.isFinite)),
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(hostileText, tie("value"), { maxKeys: 4 }),
    fc.integer({ min: 1, max: 3_000 }).map(nested),
  ),
})).value;

/** Makes what a program can pass, too. */
export const hostileValue: fc.Arbitrary<() => unknown> = fc.oneof(
  { weight: 3, arbitrary: hostileJson.map((value) => () => value) },
  { weight: 1, arbitrary: hostileNumber.map((value) => () => value) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<() => unknown>(
      () => undefined,
      () => Number.NaN,
      () => Number.POSITIVE_INFINITY,
      () => 10n,
      () => Symbol("hostile"),
      () => () => "called",
      () => new Date(Number.NaN),
      () => new Map([["a", 1]]),
      () => Object.defineProperty({}, "field", { enumerable: true, get: refuse }),
      () => Object.create(null),
      cyclic,
      () => new Proxy({}, { ownKeys: refuse, get: refuse, has: refuse, getPrototypeOf: refuse }),
      () => [undefined],
      () => new Uint8Array(3),
      () => Promise.resolve(1),
    ),
  },
);

/** Thrown by an object of the caller, so it may come back to the caller. */
export class Trapped extends Error {}

function refuse(): never {
  throw new Trapped();
}

function cyclic(): object {
  const value: Record<string, unknown> = {};
  value["self"] = [value];
  return value;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 ? [value] : { a: value };
  return value;
}
