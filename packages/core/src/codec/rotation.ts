import type { StoredEvent } from "../backend/event-backend.ts";
import { type Rewrite, stepText } from "../backend/rewrites.ts";
import { PAYLOAD_FIELDS } from "../backend/stored-task.ts";
import type { TaskBackend } from "../backend/task-backend.ts";
import { isTaskStoreError, notSupported } from "../contract/errors.ts";
import { decodeJson, isCoded, isFrame } from "../contract/json.ts";
import type { Codec, Place } from "./codec.ts";
import { withErrors } from "./history.ts";
import { forgetTexts } from "./outside.ts";

/** Tasks whose payloads are in memory at once. */
const STEP = 20;
/** Most looks at a task that others change between a look and the rewrite after it. */
const MOST_LOOKS = 10;
/** Events that are read at once. */
const EVENTS = 500;

/** Payloads by what became of them. */
export interface PayloadCounts {
  current: number;
  rotated: number;
  unreadable: number;
  changed: number;
}

export interface RotationStep {
  readonly tasks: number;
  readonly counts: PayloadCounts;
  /** Why payloads cannot be read, each reason once. */
  readonly reasons: ReadonlySet<string>;
  /** The positions of the first and the last task, if there was one. */
  readonly walked: { readonly first: number; readonly last: number } | undefined;
  readonly more: boolean;
}

/** One stored text, and what the codec would make of it now. */
interface Look {
  readonly current: number;
  /** Why it cannot be read. */
  readonly unreadable: readonly string[];
  /** Payloads in the text that the rewrite would encrypt anew. */
  readonly stale: number;
  readonly rewrite?: Rewrite;
}

const CURRENT: Look = { current: 1, unreadable: [], stale: 0 };
const STALE: Look = { current: 0, unreadable: [], stale: 1 };
const unreadable = (why: string): Look => ({ current: 0, unreadable: [why], stale: 0 });

/**
 * Looks at the next tasks after a position, and encrypts those of their payloads anew that are not
 * encrypted by the present key. `backend` is the one below the codec. `wrote` is called for each
 * task that was rewritten.
 */
export async function rotateStep(
  backend: TaskBackend,
  codec: Codec,
  after: number | null,
  dryRun: boolean,
  wrote: () => void,
): Promise<RotationStep> {
  if (!backend.rewrite) throw notSupported("encrypt payloads anew", "rewrite");
  const coder = dryRun ? stayingInside(codec) : codec;
  const tasks = await backend.list({ scope: null, after, limit: STEP });
  const counts: PayloadCounts = { current: 0, rotated: 0, unreadable: 0, changed: 0 };
  const reasons = new Set<string>();
  let ids = tasks.map(({ taskId }) => taskId);
  for (let look = 1; ids.length > 0; look += 1) {
    const left: string[] = [];
    const found = await storedTexts(backend, ids);
    for (const { taskId, owner, texts } of found) {
      const looks = await Promise.all(
        texts.map((text) => lookAt(coder, text, { taskId, owner: owner ?? undefined, field: text.field })),
      );
      if (look === 1) {
        for (const { current, unreadable } of looks) {
          counts.current += current;
          counts.unreadable += unreadable.length;
          for (const why of unreadable) reasons.add(why);
        }
      }
      const stale = looks.flatMap(({ stale, rewrite }) => (rewrite ? [{ count: stale, rewrite }] : []));
      if (stale.length === 0) continue;
      const done = dryRun
        ? []
        : await backend.rewrite(
            taskId,
            stale.map(({ rewrite }) => rewrite),
          );
      if (done.includes(true)) wrote();
      let missed = 0;
      const replaced: string[] = [];
      for (const [index, { count, rewrite }] of stale.entries()) {
        if (dryRun || done[index]) counts.rotated += count;
        else missed += count;
        if (done[index]) replaced.push(rewrite.from);
      }
      // What cannot be deleted now, a sweep finds later.
      await forgetTexts(codec, taskId, replaced).catch(() => undefined);
      if (missed === 0) continue;
      if (look < MOST_LOOKS) left.push(taskId);
      else counts.changed += missed;
    }
    ids = left;
  }
  const [first, last] = [tasks[0]?.position, tasks.at(-1)?.position];
  const walked = first === undefined || last === undefined ? undefined : { first, last };
  return { tasks: tasks.length, counts, reasons, walked, more: tasks.length === STEP };
}

/** How many events wait for notifiers with a message that is not encrypted by the present key. */
export async function oldEvents({ events }: TaskBackend, codec: Codec): Promise<number> {
  let old = 0;
  if (!events) return old;
  for (const { name } of await events.registered()) {
    let after: number | undefined = 0;
    while (after !== undefined) {
      const page: StoredEvent[] = await events.list(name, false, after, EVENTS);
      old += page.filter(({ statusMessage }) => statusMessage !== null && !isCurrent(codec, statusMessage)).length;
      after = page.at(-1)?.seq;
    }
  }
  return old;
}

type StoredText = Omit<Rewrite, "to">;

/** The texts of tasks as the backend keeps them. Those that are gone are left out. */
async function storedTexts(
  backend: TaskBackend,
  ids: readonly string[],
): Promise<{ taskId: string; owner: string | null; texts: StoredText[] }[]> {
  const tasks = await backend.readMany(ids, [...PAYLOAD_FIELDS, "history"]);
  const steps = Map.groupBy((await backend.stepsOf?.(ids)) ?? [], ({ taskId }) => taskId);
  const messages = Map.groupBy((await backend.messagesOf?.(ids)) ?? [], ({ taskId }) => taskId);
  return tasks.map((task) => {
    const { taskId, owner } = task;
    const texts: StoredText[] = [];
    for (const field of ["statusMessage", ...PAYLOAD_FIELDS, "history"] as const)
      if (task[field] != null) texts.push({ field, from: task[field] });
    for (const { name, body } of steps.get(taskId) ?? []) texts.push({ field: stepText(name), from: body });
    // Equal messages are rewritten together.
    for (const from of new Set(messages.get(taskId)?.map(({ message }) => message)))
      texts.push({ field: "message", from });
    return { taskId, owner, texts };
  });
}

type Coder = Pick<Codec, "encode" | "decode" | "isCurrent">;

/** A codec that writes nothing outside of the database. */
function stayingInside(codec: Codec): Coder {
  return {
    encode: async (text, place) => (await codec.encodeInside(text, place)).stored,
    decode: (stored, place) => codec.decode(stored, place),
    isCurrent: (stored) => codec.isCurrent(stored),
  };
}

async function lookAt(codec: Coder, { field, from }: StoredText, place: Place): Promise<Look> {
  if (field === "history") return lookAtHistory(codec, from, place);
  if (isCurrent(codec, from)) return CURRENT;
  const { to, why } = await anew(codec, from, place);
  return why === undefined ? { ...STALE, rewrite: { field, from, to } } : unreadable(why);
}

/** The errors in the lines of a history are payloads. */
async function lookAtHistory(codec: Coder, from: string, place: Place): Promise<Look> {
  const looks: Look[] = [];
  const to = await withErrors(from, async (error) => {
    const stored = isFrame(error.slice(1, -1)) ? error.slice(1, -1) : error;
    if (isCurrent(codec, stored)) {
      looks.push(CURRENT);
      return error;
    }
    const { to, why } = await anew(codec, stored, place);
    looks.push(why === undefined ? STALE : unreadable(why));
    return why === undefined ? `"${to}"` : error;
  });
  return {
    current: looks.filter((look) => look === CURRENT).length,
    unreadable: looks.flatMap((look) => look.unreadable),
    stale: looks.filter((look) => look === STALE).length,
    ...(to === from ? {} : { rewrite: { field: "history", from, to } }),
  };
}

/** A store in memory without a codec keeps objects, which no codec has written. */
function isCurrent(codec: Coder, stored: string): boolean {
  return typeof stored === "string" && codec.isCurrent(stored);
}

/** The text as the codec writes it now, or why it cannot be read or written. */
async function anew(
  codec: Coder,
  stored: string,
  place: Place,
): Promise<{ to: string; why?: undefined } | { to?: undefined; why: string }> {
  const text = typeof stored === "string" ? await codec.decode(stored, place) : JSON.stringify(stored);
  try {
    if (isCoded(text)) decodeJson(text);
    return { to: await codec.encode(text, place) };
  } catch (error) {
    if (isTaskStoreError(error, "PAYLOAD_UNREADABLE")) return { why: error.message };
    throw error;
  }
}
