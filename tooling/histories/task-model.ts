// One task, as the contract describes it: what each call may answer, and what it changes. It shares
// no code with core and none with a backend, so that a wrong rule there is not repeated here. The
// pages that it was written from are the docstrings of `TaskStore` and MCP's status lifecycle.
import type { Model } from "./checker.ts";
import { isRead, type Operation, type Seen, type Span, type TaskCall } from "./operation.ts";

/** The task at one moment; `null` = there is none, or it was removed. */
export type State = Task | null;

export interface Task {
  readonly status: string;
  readonly message: string | null;
  readonly revision: number;
  readonly grain: number;
  /** The last token that a runner was told. */
  readonly token: number;
  /** Whether a runner has the task, with that token. One whose answer was lost knows no token. */
  readonly held: "never" | "no" | "told" | "untold";
  readonly attempt: number;
  /** From when on a runner may claim the task, `null` once it has ended. */
  readonly claimable: Span | null;
  readonly born: Span;
  readonly ttl: number | null;
  readonly expires: Span | null;
  readonly outcome: string | null;
  readonly checkpoint: string | null;
  readonly inputs: readonly (readonly [key: string, question: string, answer: string | null])[];
  readonly steps: Readonly<Record<string, string>>;
  readonly failures: number;
}

/** One way in which a call may go. */
type Way = { readonly next: State } & ({ readonly error: string } | { readonly shows: Seen });

export const taskModel: Model<State, Operation<TaskCall>> = {
  initial: null,
  step(task, operation) {
    const { call, answer, time } = operation;
    const ways = waysOf(task, call, time, tokenOf(operation));
    // A call with a lost answer took effect, or the search leaves it out.
    if (answer === "unknown") return ways.find((way) => "shows" in way && way.next !== task)?.next;
    return ways.find((way) => fits(way, answer))?.next;
  },
  isRead({ call, answer }) {
    if (answer === "unknown") return false;
    if (isRead(call) || "error" in answer) return true;
    const { created, taken, removed } = answer.seen;
    return created === false || taken === "" || removed === false;
  },
  key: (task) => JSON.stringify(task),
};

/** The token that a runner was told, if the call took a lease. */
export function tokenOf({ answer, token }: Operation): number | undefined {
  const told = typeof answer === "object" && "seen" in answer ? answer.seen["token"] : token;
  return typeof told === "number" ? told : undefined;
}

function fits(way: Way, answer: Exclude<Operation["answer"], "unknown">): boolean {
  if ("error" in way || "error" in answer) {
    return "error" in way && "error" in answer && way.error === answer.error;
  }
  return Object.entries(answer.seen).every(([field, value]) => way.shows[field] === value);
}

/**
 * Every way in which the call may go. A time within a span leaves both ways open.
 * @param told The token that a runner was told, if the call took a lease.
 */
export function waysOf(task: State, call: TaskCall, time: Span, told?: number): Way[] {
  const ways: Way[] = [];
  if (task === null || (task.expires && time[1] >= task.expires[0])) {
    if (call.do === "sweep") ways.push({ shows: {}, next: null });
    else if (call.do === "create") ways.push(showing(created(call, time), { created: true }));
    // Such a claim takes another task or none.
    else ways.push({ error: "TASK_NOT_FOUND", next: task });
  }
  if (call.do === "readAsOther") return [{ error: "TASK_NOT_FOUND", next: task }];
  if (task !== null && (!task.expires || time[0] < task.expires[1])) ways.push(...waysOfTask(task, call, time, told));
  return ways;
}

function created({ ttl, claimAfterMs, grain }: TaskCall & { do: "create" }, time: Span): Task {
  return {
    status: "working",
    message: null,
    revision: 1,
    grain,
    token: 0,
    held: "never",
    attempt: 0,
    claimable: later(time, claimAfterMs),
    born: time,
    ttl,
    expires: ttl === null ? null : later(time, ttl),
    outcome: null,
    checkpoint: null,
    inputs: [],
    steps: {},
    failures: 0,
  };
}

function waysOfTask(task: Task, call: TaskCall, time: Span, told: number | undefined): Way[] {
  const ended = task.claimable === null;
  switch (call.do) {
    case "create":
      if (!call.once) return [{ error: "TASK_EXISTS", next: task }];
      if (call.grain !== task.grain) return [{ error: "DEDUPE_CONFLICT", next: task }];
      return [showing(task, { created: false }, task)];
    case "read":
    case "readAsOther":
      return [showing(task, {}, task)];
    case "wait":
      return ended || task.revision > call.after ? [showing(task, {}, task)] : [];
    case "readResult":
      if (ended && task.outcome !== null) return [showing(task, {}, task)];
      return [{ error: `RESULT_NOT_READY ${task.status}`, next: task }];
    case "readSteps":
      return [{ shows: stepsOf(task), next: task }];
    case "awaitInput":
      return waysOfWaiting(task, call.key, ended);
    case "answer":
      return waysOfAnswering(task, call, ended);
    case "sweep":
      return [];
    case "remove":
      return [ended ? { shows: { removed: true }, next: null } : { shows: { removed: false }, next: task }];
  }
  // The others are writes for active tasks, most of them under a lease if the caller has one.
  if ("token" in call && call.token !== undefined && (task.held !== "told" || call.token !== task.token))
    return [{ error: "LEASE_LOST", next: task }];
  if (ended) return call.do === "claim" ? [] : [{ error: `TASK_TERMINAL ${task.status}`, next: task }];
  switch (call.do) {
    case "update": {
      const { status = task.status, message = task.message, checkpoint = task.checkpoint, step } = call;
      const visible = call.status !== undefined || call.message !== undefined;
      const next = { ...task, status, message, checkpoint, steps: withStep(task, step) };
      return [showing(visible ? changed(next, time) : next)];
    }
    case "finish":
      return [showing(changed({ ...task, status: call.status, outcome: call.outcome }, time))];
    case "cancel":
      return [showing(changed({ ...task, status: "cancelled", message: call.message }, time))];
    case "ask": {
      const asked = task.inputs.find(([key]) => key === call.key);
      if (asked)
        return asked[1] === call.question ? [showing(task, {}, task)] : [{ error: "INVALID_ARGUMENT", next: task }];
      const inputs = [...task.inputs, [call.key, call.question, null] as const];
      return [showing(changed({ ...task, inputs, status: "input_required" }, time))];
    }
    case "renew":
      return [showing(leased(task, call.leaseMs, time))];
    case "release": {
      const given = leased(task, call.delayMs, time, call.delayMs > 0 ? KEPT_AFTER_SLEEP_MS : 0);
      const { failures = task.failures, step } = call;
      return [showing({ ...givenBack(given), failures, steps: withStep(task, step) })];
    }
    case "requeue": {
      const free = leased(task, 0, time);
      return [showing(isTaken(task) ? givenBack(free) : free)];
    }
    case "acquire":
    case "claim":
      return waysOfTaking(task, call, time, told);
  }
}

/**
 * A claim needs a task whose time has come; `acquireLease` also takes one that no runner had. Each
 * runner gets a later token than all before, so that their writes can be told apart.
 */
function waysOfTaking(
  task: Task,
  call: TaskCall & { do: "acquire" | "claim" },
  time: Span,
  told: number | undefined,
): Way[] {
  const [from, surely] = task.claimable as Span;
  const ways: Way[] = [];
  const fresh = call.do === "acquire" && task.held === "never";
  if ((fresh || time[1] >= from) && (told === undefined || told > task.token)) {
    const held = told === undefined ? "untold" : "told";
    const taken = { ...leased(task, call.leaseMs, time), token: told ?? task.token, held } as const;
    ways.push(showing({ ...taken, attempt: task.attempt + 1 }));
  }
  if (call.do === "acquire" && !fresh && time[0] < surely) ways.push({ error: "LEASE_HELD", next: task });
  return ways;
}

function waysOfWaiting(task: Task, key: string, ended: boolean): Way[] {
  const [, , answer] = task.inputs.find((input) => input[0] === key) ?? [];
  if (answer === undefined) return [{ error: "INVALID_ARGUMENT", next: task }];
  if (answer !== null) return [{ shows: { answer }, next: task }];
  return ended ? [{ error: `TASK_TERMINAL ${task.status}`, next: task }] : [];
}

function waysOfAnswering(task: Task, call: TaskCall & { do: "answer" }, ended: boolean): Way[] {
  const open = !ended && task.inputs.some(([key, , answer]) => key === call.key && answer === null);
  if (!open && call.operator) return [{ error: "INVALID_ARGUMENT", next: task }];
  if (!open) return [{ shows: { taken: "" }, next: task }];
  const inputs = task.inputs.map((input) =>
    input[0] === call.key ? ([call.key, input[1], call.text] as const) : input,
  );
  const status = inputs.some(([, , answer]) => answer === null) ? "input_required" : "working";
  return [{ shows: { taken: call.key }, next: { ...task, inputs, status, revision: task.revision + 1 } }];
}

/** How long a task that sleeps is kept beyond its sleep, as its page promises. */
const KEPT_AFTER_SLEEP_MS = 300_000;

const TERMINAL = ["completed", "failed", "cancelled"];

/** A visible change. The end of a task takes its lease away and starts its ttl anew. */
function changed(task: Task, time: Span): Task {
  const revision = task.revision + 1;
  if (!TERMINAL.includes(task.status)) return { ...task, revision };
  return { ...task, revision, claimable: null, expires: task.ttl === null ? null : later(time, task.ttl) };
}

/** A lease from now on. The task does not expire under it. */
function leased(task: Task, leaseMs: number, time: Span, kept = 0): Task {
  const claimable = later(time, leaseMs);
  if (task.ttl === null) return { ...task, claimable };
  const [own, lease] = [later(task.born, task.ttl), later(claimable, kept)];
  return { ...task, claimable, expires: [Math.max(own[0], lease[0]), Math.max(own[1], lease[1])] };
}

const isTaken = ({ held }: Task) => held === "told" || held === "untold";

function givenBack(task: Task): Task {
  return { ...task, held: "no", attempt: task.attempt - 1 };
}

function withStep({ steps }: Task, step: readonly [string, string] | undefined): Task["steps"] {
  return step === undefined ? steps : { ...steps, [step[0]]: step[1] };
}

function stepsOf({ steps, failures }: Task): Seen {
  return { steps: JSON.stringify(Object.entries(steps).sort()), failures };
}

function later(time: Span, ms: number): Span {
  return [time[0] + ms, time[1] + ms];
}

/** What a caller may see of the task, and the state after the call. */
function showing(task: Task, more: Seen = {}, next: Task = task): Way {
  const { status, message, revision, grain, token, attempt, claimable, outcome, checkpoint, inputs } = task;
  const ended = claimable === null;
  const open = ended
    ? ""
    : inputs.flatMap(([key, question, answer]) => (answer === null ? [`${key}=${question}`] : []));
  const shows = { status, message, revision, grain, token, attempt, ended, outcome, checkpoint, open: String(open) };
  return { shows: { ...shows, ...more }, next };
}
