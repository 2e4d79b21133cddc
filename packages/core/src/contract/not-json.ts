import { types } from "node:util";

/** Engines neither write nor read JSON that is deeper. */
const MAX_DEPTH = 100_000;
/** Longest key and longest place in a message, in UTF-16 code units. */
const MAX_STEP = 40;
const MAX_PLACE = 160;

/**
 * True for plain objects, arrays, primitives and dates, which nearly all payloads are. False means
 * that `findNonJson` has to decide. This walk runs for every payload, so it notes no places and
 * leaves out rare values. The value must have no cycles.
 */
export function isPlainJson(value: unknown): boolean {
  try {
    return isPlain(value);
  } catch {
    // A getter threw, or the value is deeper than the stack.
    return false;
  }
}

function isPlain(value: unknown): boolean {
  if (typeof value !== "object") return isJsonPrimitive(value);
  if (value === null) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (item === undefined || !isPlain(item)) return false;
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    return (
      prototype === Date.prototype && Number.isFinite((value as Date).getTime()) && !Object.hasOwn(value, "toJSON")
    );
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  // Inherited keys as well, of which there are none. (Object.keys makes an array.)
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key])) return false;
  return true;
}

/**
 * `undefined` counts as JSON here: `JSON.stringify` leaves out such a property. Arrays refuse it
 * themselves.
 */
function isJsonPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true;
    case "number":
      return Number.isFinite(value);
    default:
      return false;
  }
}

/** A value and the way to it. */
interface Step {
  readonly value: unknown;
  readonly key: string | number;
  readonly parent: Step | undefined;
  readonly depth: number;
}

/** Marks on the stack where the walk leaves an object. */
class Leave {
  readonly value: object;
  constructor(value: object) {
    this.value = value;
  }
}

/** Why a value is not JSON, and where. */
export interface NonJson {
  /**
   * For error messages, which may reach the requestor. Keys can be data, so a key that MCP does not
   * define reads `*`.
   */
  readonly problem: string;
  /** The same with every key, for the author of the program. */
  readonly exactly: string;
}

/**
 * Finds the part of a value that is not JSON. Returns `undefined` if there is none. The walk keeps
 * a stack of its own, so that a deep value cannot overflow the engine's.
 */
export function findNonJson(root: unknown): NonJson | undefined {
  const inside = new Set<object>();
  const stack: (Step | Leave)[] = [{ value: root, key: "", parent: undefined, depth: 0 }];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if (step instanceof Leave) {
      inside.delete(step.value);
      continue;
    }
    let children: Step[];
    if (step.depth > MAX_DEPTH) return TOO_DEEP;
    try {
      const value = asStringified(step.value, String(step.key));
      const kind = kindOf(value, Array.isArray(step.parent?.value));
      if (kind !== undefined) return step.parent ? at(step, `it holds ${kind}`) : atTop(`it is ${kind}`);
      if (typeof value !== "object" || value === null) continue;
      if (inside.has(value)) return at(step, "it refers to itself");
      inside.add(value);
      stack.push(new Leave(value));
      children = childrenOf(value, { ...step, value });
    } catch {
      return step.parent ? at(step, "reading it throws an error") : atTop("reading it throws an error");
    }
    for (const child of children.reverse()) stack.push(child);
  }
  return undefined;
}

/**
 * The value that `JSON.stringify` takes in place of this one. It calls `toJSON` once, and not on
 * the result.
 */
function asStringified(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { toJSON } = value as { toJSON?: unknown };
  // An invalid Date becomes null in silence, as NaN would.
  if (types.isDate(value) && Number.isNaN(Date.prototype.getTime.call(value))) return value;
  const taken: unknown = typeof toJSON === "function" ? toJSON.call(value, key) : value;
  if (!types.isBoxedPrimitive(taken)) return taken;
  // JSON.stringify unpacks numbers, strings and booleans alone.
  if (types.isNumberObject(taken)) return Number(taken);
  if (types.isStringObject(taken)) return String(taken);
  if (types.isBooleanObject(taken)) return Boolean.prototype.valueOf.call(taken);
  return taken;
}

function childrenOf(value: object, parent: Step): Step[] {
  const depth = parent.depth + 1;
  if (Array.isArray(value)) return Array.from(value, (item: unknown, key) => ({ value: item, key, parent, depth }));
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(value).filter((key) => key !== "toJSON" || typeof fields[key] !== "function");
  return keys.map((key) => ({ value: fields[key], key, parent, depth }));
}

/** The kind of a value that is not JSON itself, apart from its parts. */
function kindOf(value: unknown, inArray: boolean): string | undefined {
  if (typeof value !== "object") {
    if (value === undefined) return inArray ? "undefined in an array" : undefined;
    if (isJsonPrimitive(value)) return undefined;
    return typeof value === "number" ? String(value) : `a ${typeof value}`;
  }
  if (value === null || Array.isArray(value)) return undefined;
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? "an invalid Date" : "a Date";
  const builtIn = BUILT_IN.find(([, is]) => is(value));
  if (builtIn) return builtIn[0];
  // Objects of the platform have a tag of their own (Headers, Blob, Generator). With fields, such
  // an object counts as an instance of a class. Without a tag, so does an object without fields.
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (tag === "Object" || tag === "Array") return undefined;
  if (Object.keys(value).length > 0 && !HUSKS.has(tag)) return undefined;
  return `${/^[AEIO]/.test(tag) ? "an" : "a"} ${tag.slice(0, MAX_STEP)}`;
}

/** Objects of any realm whose content `JSON.stringify` does not see, even if they have fields. */
const BUILT_IN: readonly [kind: string, is: (value: object) => boolean][] = [
  ["a Map", types.isMap],
  ["a Set", types.isSet],
  ["an Error", types.isNativeError],
  ["a RegExp", types.isRegExp],
  ["a Promise", types.isPromise],
  ["an ArrayBuffer", types.isAnyArrayBuffer],
  ["a DataView", types.isDataView],
  ["a typed array", types.isTypedArray],
  ["a WeakMap", types.isWeakMap],
  ["a WeakSet", types.isWeakSet],
  ["a boxed symbol or bigint", types.isBoxedPrimitive],
];

/** The tags of such objects. Behind a Proxy, only the tag shows them. */
const HUSKS: ReadonlySet<string> = new Set(["Map", "Set", "Error", "RegExp", "Promise", "DOMException"]);

/** Keys of MCP and of this package, which reveal no data of a task. */
const KNOWN_KEYS: ReadonlySet<string> = new Set(
  "_meta action arguments content context data error message method name params resource result structuredContent text".split(
    " ",
  ),
);

function atTop(problem: string): NonJson {
  return { problem, exactly: problem };
}

export const TOO_DEEP: NonJson = atTop("it is nested too deeply");

function at(step: Step, problem: string): NonJson {
  return {
    problem: `${problem} at ${placeOf(step, (key) => (KNOWN_KEYS.has(key) ? `.${key}` : ".*"))}`,
    exactly: `${problem} at ${placeOf(step, textOf)}`,
  };
}

/** As in JavaScript: `structuredContent.rows[2]["two words"]`. */
function placeOf(step: Step, shown: (key: string) => string): string {
  const steps: string[] = [];
  for (let at = step; at.parent; at = at.parent) steps.push(typeof at.key === "number" ? `[${at.key}]` : shown(at.key));
  const place = steps.reverse().join("").replace(/^\./, "");
  return place.length <= MAX_PLACE ? place : `${place.slice(0, MAX_PLACE / 2)}...${place.slice(-MAX_PLACE / 2)}`;
}

function textOf(key: string): string {
  const shown = key.length <= MAX_STEP ? key : `${key.slice(0, MAX_STEP)}...`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(shown) ? `.${shown}` : `[${JSON.stringify(shown)}]`;
}
