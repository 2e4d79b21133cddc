import type { Bounds, SearchFilter } from "../../backend/search-query.ts";
import type { PayloadField, StoredTask } from "../../backend/stored-task.ts";
import { invalid } from "../../contract/errors.ts";
import { decodePayload, isCoded } from "../../contract/json.ts";
import { FILTER_OPTIONS } from "../../contract/operation-options.ts";
import type { PayloadFilter, StatusOrKind, TaskFilter, Time, TimeRange } from "../../contract/operations.ts";
import { checkOptions } from "../../contract/option-checks.ts";
import { isTerminal, type TaskStatus, TRANSITIONS } from "../../contract/task.ts";
import { heldBy, historyOf } from "./history.ts";

const STATUSES = Object.keys(TRANSITIONS) as TaskStatus[];
const ENDED: readonly TaskStatus[] = STATUSES.filter(isTerminal);
const ACTIVE: readonly TaskStatus[] = STATUSES.filter((status) => !isTerminal(status));

/** The default of `StuckLimits`. */
export const STUCK = { overdueMs: 60_000, waitingMs: 3_600_000 };
const MOST_IDS = 1000;

/** A filter as a backend gets it, and the conditions that core checks alone. */
export interface Condition {
  readonly filter: SearchFilter;
  /** The only tasks that it may take. */
  readonly ids: readonly string[] | undefined;
  /** The payloads that `holds` reads. */
  readonly payloads: readonly PayloadField[];
  holds(task: StoredTask): boolean;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function conditionOf(where: TaskFilter, call: string): Condition {
  checkOptions(call, where, FILTER_OPTIONS, "where");
  const { status, name, owner, id, idPrefix, created, changed, ended, attempts, stuck, holder, payload } = where;
  const filter: { -readonly [Field in keyof SearchFilter]: SearchFilter[Field] } = {};
  let statuses = status === undefined ? STATUSES : listOf(status).flatMap(statusesOf);
  // An ended task changed last when it ended.
  if (ended !== undefined) statuses = statuses.filter(isTerminal);
  if (stuck || holder !== undefined) statuses = statuses.filter((each) => !isTerminal(each));
  if (statuses.length < STATUSES.length) filter.statuses = [...new Set(statuses)];
  if (name !== undefined) filter.names = listOf(name);
  if (owner !== undefined) filter.owners = owner === null ? [null] : listOf(owner);
  if (idPrefix !== undefined) filter.idPrefix = idPrefix;
  if (created !== undefined) filter.created = boundsOf(created);
  if (changed !== undefined || ended !== undefined)
    filter.updated = both(boundsOf(changed ?? {}), boundsOf(ended ?? {}));
  if (attempts !== undefined)
    filter.attempts = { from: attempts.min ?? null, before: attempts.max === undefined ? null : attempts.max + 1 };
  if (stuck) {
    const { overdueMs = STUCK.overdueMs, waitingMs = STUCK.waitingMs } = stuck === true ? {} : stuck;
    filter.stuck = { overdueMs, waitingMs };
  }
  const parts = partsOf(payload ?? {});
  const texts = parts.flatMap(({ field, wanted }) => textsOf(wanted).map((text) => ({ field, text })));
  if (texts.length > 0) filter.texts = texts;
  const fields = new Set<PayloadField>(parts.map(({ field }) => field));
  if (holder !== undefined) fields.add("history");
  const ids = id === undefined ? undefined : [...new Set(listOf(id))];
  if (ids !== undefined && ids.length > MOST_IDS) throw invalid(`where.id takes at most ${MOST_IDS} ids`);
  return {
    filter,
    ids,
    payloads: [...fields],
    holds: (task) =>
      parts.every(({ field, path, wanted }) => {
        const text = task[field];
        // A payload that cannot be read matches nothing.
        return text != null && !isCoded(text) && includes(at(decodePayload(text), path), wanted);
      }) &&
      (holder === undefined || includes(heldBy(task, historyOf(task)), defined(holder))),
  };
}

function listOf<Value>(value: Value | readonly Value[]): readonly Value[] {
  return Array.isArray(value) ? value : [value as Value];
}

function statusesOf(status: StatusOrKind): readonly TaskStatus[] {
  if (status === "active") return ACTIVE;
  return status === "ended" ? ENDED : [status];
}

function msOf(time: Time | undefined): number | null {
  return time === undefined ? null : new Date(time).getTime();
}

function boundsOf({ after, before }: TimeRange): Bounds {
  return { from: msOf(after), before: msOf(before) };
}

function both(one: Bounds, other: Bounds): Bounds {
  const given = (...values: (number | null)[]) => values.filter((value) => value !== null);
  const [froms, befores] = [given(one.from, other.from), given(one.before, other.before)];
  return {
    from: froms.length > 0 ? Math.max(...froms) : null,
    before: befores.length > 0 ? Math.min(...befores) : null,
  };
}

function defined<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Value;
}

interface Part {
  readonly field: PayloadField;
  readonly path: readonly string[];
  readonly wanted: unknown;
}

/** Where each part of a payload is, in the JSON that the store keeps. */
const PLACES: Readonly<Record<keyof PayloadFilter, Pick<Part, "field" | "path">>> = {
  arguments: { field: "request", path: ["request", "params", "arguments"] },
  params: { field: "request", path: ["request", "params"] },
  context: { field: "request", path: ["context"] },
  result: { field: "outcome", path: ["result"] },
  error: { field: "outcome", path: ["error"] },
};

function partsOf(payload: PayloadFilter): Part[] {
  return Object.entries(PLACES).flatMap(([name, place]) => {
    const given = payload[name as keyof PayloadFilter];
    if (given === undefined) return [];
    let wanted: unknown;
    try {
      wanted = JSON.parse(JSON.stringify(given));
    } catch {
      throw invalid(`where.payload.${name} must be JSON`);
    }
    return [{ ...place, wanted }];
  });
}

/** The texts that JSON with this part has for certain, so that a backend need not parse it. */
function textsOf(wanted: unknown, key = ""): string[] {
  if (typeof wanted === "object" && wanted !== null) {
    const inside = Array.isArray(wanted)
      ? wanted.flatMap((value) => textsOf(value))
      : Object.entries(wanted).flatMap(([name, value]) => textsOf(value, `${JSON.stringify(name)}:`));
    return inside.length > 0 ? inside : [key].filter((text) => text !== "");
  }
  return [`${key}${JSON.stringify(wanted)}`];
}

function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** Whether `found` has at least what `wanted` has. Arrays have to be equal in length. */
function includes(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) return found === wanted;
  if (typeof found !== "object" || found === null || Array.isArray(found) !== Array.isArray(wanted)) return false;
  if (Array.isArray(found) && found.length !== (wanted as unknown[]).length) return false;
  return Object.entries(wanted).every(
    ([key, value]) => Object.hasOwn(found, key) && includes((found as Record<string, unknown>)[key], value),
  );
}
