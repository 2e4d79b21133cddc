// A process of a run. It calls its store, writes each call and each answer to its file, and goes on
// until it is told to stop or killed.
import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Lease, TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { randomOf } from "../faults/random.ts";
import {
  type Answers,
  callPauses,
  callQueue,
  callTask,
  claim,
  failure,
  type Learned,
  list,
  seenIn,
  type Target,
} from "./calls.ts";
import { CAPPED, callCapped, nextCapCall, seenOnTheWay } from "./cap-calls.ts";
import { type Known, nextCall, nextPauseCall, nextQueueCall } from "./choices.ts";
import type { Invocation, Return } from "./history.ts";
import { moveClock } from "./moved-clock.ts";
import type { Answer, Call, TaskCall } from "./operation.ts";
import { jumpsOf, openStore, type StoreName } from "./places.ts";
import { type PlantName, planted, plantedOptions } from "./plants.ts";

export interface WorkerTask {
  readonly store: StoreName;
  readonly address: string;
  readonly seed: number;
  /** A number that no other process of the run has. */
  readonly process: number;
  /** Calls at once. */
  readonly lanes: number;
  readonly file: string;
  /** The beginning of the run by `process.hrtime.bigint`. */
  readonly origin: string;
  readonly world: number;
  /** A fault that the store gets, to see that it is found. */
  readonly plant?: PlantName | undefined;
}

/** What the run tells its processes: which tasks there are now, or that it is over. */
export type Order = { readonly world: number } | { readonly stop: true };
/** What a process tells: how many calls it has made. */
export type Report = { readonly calls: number };

/** Tasks and queues at a time. */
const TASKS = 4;
const QUEUES = 2;
/** The task that expires, and the one that is created under a key. */
const EXPIRING = 0;
const KEYED = TASKS - 1;
/** Worlds that a process may be behind the others. */
const WORLDS = 10;
/** Calls between two reports. */
const REPORT = 20;

const task = JSON.parse(process.argv[2] as string) as WorkerTask;
const origin = BigInt(task.origin);
const elapsed = () => Number(process.hrtime.bigint() - origin) / 1e6;
moveClock(jumpsOf(task.store, task.seed, task.process), elapsed);

const file = openSync(task.file, "w");
let [world, stopped, ops, calls, reports] = [task.world, false, 0, 0, 0];

process.on("message", (order: Order) => {
  if ("stop" in order) stopped = true;
  else world = order.world;
});

const onError = () => {
  reports += 1;
};
const open = async (options: TaskStoreOptions): Promise<TaskStore> =>
  planted(await openStore(task.store, task.address, plantedOptions({ onError, ...options }, task.plant)), task.plant);
const store = await open({});
/** A store with a cap, for the owner who has one. */
const capped = await open(CAPPED);

const known = new Map<string, Known>();

function knownOf(register: string, once: boolean): Known {
  const found = known.get(register) ?? { id: once ? undefined : register, tokens: [], revision: 0, ended: false };
  known.set(register, found);
  return found;
}

/** The line is in the file before the call is made, so that no call is forgotten. */
async function recorded(registers: readonly string[], call: Call, run: () => Promise<Answers>): Promise<Answers> {
  const op = ops++;
  const invocation: Invocation = { op, registers, call, at: elapsed() };
  writeSync(file, `${JSON.stringify(invocation)}\n`);
  const answers = await run();
  const returned: Return = { op, at: elapsed(), answers };
  writeSync(file, `${JSON.stringify(returned)}\n`);
  count();
  return answers;
}

/** Writes down an operation that is over. */
function note(register: string, call: Call, at: number, answer: Answer, until: number): void {
  const op = ops++;
  writeSync(file, `${JSON.stringify({ op, registers: [register], call, at } satisfies Invocation)}\n`);
  writeSync(file, `${JSON.stringify({ op, at: until, answers: { [register]: answer } } satisfies Return)}\n`);
  count();
}

function count(): void {
  calls += 1;
  if (calls % REPORT === 0) process.send?.({ calls: REPORT } satisfies Report);
}

const only = (register: string, answer: Answers[string] | undefined): Answers => (answer ? { [register]: answer } : {});

function learn(register: string, answers: Answers, lease: Lease | undefined): void {
  const about = known.get(register);
  const answer = answers[register];
  if (!about || !answer || answer === "unknown") return;
  if (lease) about.tokens = [lease.token, ...about.tokens].slice(0, 2);
  if ("error" in answer) {
    about.ended ||= answer.error.startsWith("TASK_TERMINAL");
    // The task may be created anew.
    if (answer.error === "TASK_NOT_FOUND") about.revision = 0;
    if (answer.error === "TASK_EXISTS") about.revision ||= 1;
    return;
  }
  about.revision = Number(answer.seen["revision"] ?? (about.revision || 1));
  about.ended = ["completed", "failed", "cancelled"].includes(String(answer.seen["status"]));
}

async function once(random: () => number, text: string): Promise<void> {
  const owner = `o${world}`;
  const targets: Target[] = Array.from({ length: TASKS }, (_, index) => {
    const register = `t${world}-${index}`;
    return { register, id: knownOf(register, index === KEYED).id ?? "", owner };
  });
  if (random() < 0.15) {
    const queue = `q${world}-${Math.floor(random() * QUEUES)}`;
    const call = nextQueueCall(random, Number(text));
    await recorded([queue], call, async () => only(queue, await callQueue(store, queue, call, () => reports)));
    return;
  }
  if (random() < 0.08) {
    const register = `c${world}`;
    const call = nextCapCall(random);
    const at = elapsed();
    const answers = await recorded([register], call, async () =>
      only(register, await callCapped(capped, register, call)),
    );
    const seen = seenOnTheWay(call, answers[register]);
    if (seen) note(register, seen[0], at, seen[1], elapsed());
    return;
  }
  const index = Math.floor(random() * TASKS);
  const target = targets[index] as Target;
  if (random() < 0.06) {
    const call = nextPauseCall(random);
    const about = call.do === "readPaused" ? targets : [target];
    await recorded(
      about.map(({ register }) => register),
      call,
      () => callPauses(store, about, call),
    );
    return;
  }
  const settings = { ttl: index === EXPIRING ? 700 : null, once: index === KEYED };
  const call = nextCall(random, knownOf(target.register, settings.once), settings, text);
  await carryOut(targets, target, call);
  if (random() < 0.003) await sweep();
}

async function carryOut(targets: readonly Target[], target: Target, call: TaskCall): Promise<void> {
  const { register, owner } = target;
  const learned: Learned = {};
  const leases = new Map<string, Lease>();
  let registers = [register];
  let run = async () => only(register, await callTask(store, target, call, learned));
  if (call.do === "read" && call.by === "subscribe") return follow(target, call);
  if (call.do === "read" && call.by === "listTasks") {
    const listed = targets.filter(({ id }) => id !== "");
    registers = listed.map((one) => one.register);
    run = () => list(store, listed, owner);
  } else if (call.do === "claim") {
    registers = targets.map((one) => one.register);
    run = () => claim(store, targets, call.leaseMs, leases);
  }
  const answers = await recorded(registers, call, run);
  const about = known.get(register);
  if (about && learned.id !== undefined) about.id = learned.id;
  for (const each of registers)
    learn(each, answers, each === register ? (learned.lease ?? leases.get(each)) : leases.get(each));
  // Between two calls to a store that is away.
  if (Object.keys(answers).length === 0 && call.do !== "claim" && call.do !== "wait") await pause(5);
}

/** Deletes expired tasks for good: they do not come back with a clock that goes back. */
async function sweep(): Promise<void> {
  // Slow processes are still in an older world.
  const worlds = Array.from({ length: Math.min(world + 1, WORLDS) }, (_, age) => world - age);
  const expiring = worlds.map((each) => `t${each}-${EXPIRING}`);
  await recorded(expiring, { do: "sweep" }, async () => {
    const answer = await store.deleteExpired().then(
      () => ({ seen: {} }),
      () => "unknown" as const,
    );
    return Object.fromEntries(expiring.map((register) => [register, answer]));
  });
}

/** Each state that a subscription tells is a read of its own, since the subscription began. */
async function follow({ register, id, owner }: Target, call: TaskCall & { do: "read" }): Promise<void> {
  const told: { readonly seen: Answer; readonly at: number }[] = [];
  const at = elapsed();
  let end: (() => void) | undefined;
  try {
    end = await store.subscribe((snapshot) => void told.push({ seen: { seen: seenIn(snapshot) }, at: elapsed() }), {
      taskId: id,
      owner,
    });
    await pause(20);
  } catch (error) {
    failure(error, call);
  } finally {
    end?.();
  }
  for (const each of told) note(register, call, at, each.seen, each.at);
}

/** Reads what is left of a world, so that no acknowledged write goes unread. */
async function readAll(of: number): Promise<void> {
  for (let index = 0; index < TASKS; index += 1) {
    const register = `t${of}-${index}`;
    const { id } = knownOf(register, index === KEYED);
    if (id === undefined) continue;
    const target = { register, id, owner: `o${of}` };
    for (const call of [{ do: "read", by: "getRecord" }, { do: "readSteps" }] as const)
      await recorded([register], call, async () => only(register, await callTask(store, target, call, {})));
    known.delete(register);
  }
  for (let index = 0; index < QUEUES; index += 1) {
    const queue = `q${of}-${index}`;
    const call = { do: "dequeueAll" } as const;
    await recorded([queue], call, async () => only(queue, await callQueue(store, queue, call, () => reports)));
  }
}

async function lane(index: number): Promise<void> {
  const random = randomOf(task.seed + task.process * 1009 + index * 104_729);
  let last = world;
  for (let count = 0; !stopped; count += 1) {
    await once(random, String(task.process * 10_000_000 + index * 100_000 + count));
    if (index === 0 && last !== world) await readAll(last);
    last = world;
  }
  if (index === 0) await readAll(world);
}

await Promise.all(Array.from({ length: task.lanes }, (_, index) => lane(index)));
closeSync(file);
await Promise.all([store.close(), capped.close()]);
process.disconnect();
