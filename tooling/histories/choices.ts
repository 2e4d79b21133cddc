// What a process does next. The seed decides, with what the process has learned of the tasks.
import type { PauseCall, QueueCall, TaskCall } from "./operation.ts";

/** What a process knows of a task. */
export interface Known {
  /** Its id. That of a task with a `dedupeKey` is known once it was created. */
  id: string | undefined;
  /** Tokens of leases that this process had, the last one first. */
  tokens: number[];
  revision: number;
  ended: boolean;
}

type Random = () => number;

/** The leases lapse soon, later, or not in the run. */
const LEASES = [120, 500, 60_000];
const KEYS = ["k1", "k2", "k3"];
const GRAINS = [1, 1, 1, 2];

const pick = <T>(random: Random, values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;

/** Of a hundred and more calls for a task, how many are of a kind. Kinds that end it are rare. */
const WEIGHTS: readonly (readonly [TaskCall["do"], number])[] = [
  ["create", 3],
  ["read", 16],
  ["readAsOther", 1],
  ["readResult", 3],
  ["readSteps", 4],
  ["awaitInput", 3],
  ["wait", 4],
  ["update", 18],
  ["finish", 1],
  ["cancel", 0.5],
  ["ask", 5],
  ["answer", 7],
  ["acquire", 8],
  ["claim", 6],
  ["renew", 5],
  ["release", 6],
  ["requeue", 1.5],
  ["remove", 0.5],
];
const SUM = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0);

/** Names are paused for a third of the time. */
export function nextPauseCall(random: Random): PauseCall {
  const at = random();
  return { do: at < 0.2 ? "pause" : at < 0.6 ? "resume" : "readPaused" };
}

function kindOf(random: Random): TaskCall["do"] {
  let at = random() * SUM;
  for (const [kind, weight] of WEIGHTS) {
    at -= weight;
    if (at < 0) return kind;
  }
  return "read";
}

/**
 * The next call for a task.
 * @param text Distinct in each call, so that what a read saw names the write.
 */
export function nextCall(
  random: Random,
  known: Known,
  settings: { ttl: number | null; once: boolean },
  text: string,
): TaskCall {
  const create = (): TaskCall => ({
    do: "create",
    ttl: settings.ttl,
    claimAfterMs: pick(random, [0, 0, 150, 60_000]),
    grain: pick(random, GRAINS),
    once: settings.once,
  });
  if (known.id === undefined || known.revision === 0) return create();
  let kind = kindOf(random);
  if (known.ended && random() < 0.1) kind = "remove";
  // Mostly the last lease, now and then one before it, which must not write any more.
  const token = known.tokens[random() < 0.8 ? 0 : 1];
  const fence = token !== undefined && random() < 0.6 ? { token } : {};
  switch (kind) {
    case "create":
      return create();
    case "read": {
      const by = pick(random, [
        "getTask",
        "getRecord",
        "getRecord",
        "listTasks",
        "subscribe",
        "operations.getRecord",
      ] as const);
      return { do: "read", by };
    }
    case "readResult":
      return { do: "readResult", by: pick(random, ["getTaskResult", "waitForResult"] as const) };
    case "awaitInput":
      return { do: "awaitInput", key: pick(random, KEYS) };
    case "wait":
      return { do: "wait", after: random() < 0.5 ? known.revision : 0 };
    case "update":
      return { do: "update", ...changeOf(random, text), ...fence };
    case "finish":
      return { do: "finish", status: pick(random, ["completed", "failed"]), outcome: text, ...fence };
    case "cancel":
      return { do: "cancel", message: text };
    case "ask":
      return { do: "ask", key: pick(random, KEYS), question: `q${Math.floor(random() * 2)}`, ...fence };
    case "answer":
      return { do: "answer", key: pick(random, KEYS), text, operator: random() < 0.3 };
    case "acquire":
    case "claim":
      return { do: kind, leaseMs: pick(random, LEASES) };
    case "renew":
      return token === undefined
        ? { do: "acquire", leaseMs: pick(random, LEASES) }
        : { do: kind, leaseMs: pick(random, LEASES), token };
    case "release": {
      if (token === undefined) return { do: "acquire", leaseMs: pick(random, LEASES) };
      const kept = pick(random, [{}, { failures: Math.floor(random() * 5) }, { step: ["slept", text] as const }]);
      return { do: kind, delayMs: pick(random, [0, 0, 100]), token, ...kept };
    }
    default:
      return { do: kind };
  }
}

function changeOf(random: Random, text: string) {
  const at = random();
  if (at < 0.3) return { message: text };
  if (at < 0.45) return { status: "working", message: text };
  if (at < 0.5) return { status: "input_required" };
  if (at < 0.7) return { checkpoint: text };
  if (at < 0.85) return { step: [pick(random, ["one", "two"]), text] as const };
  if (at < 0.97) return { message: text, checkpoint: text, step: ["both", text] as const };
  return { status: pick(random, ["completed", "failed", "cancelled"]) };
}

/** The next call for a queue, which holds few messages. */
export function nextQueueCall(random: Random, item: number): QueueCall {
  const at = random();
  if (at < 0.55) return { do: "enqueue", item, most: 6 };
  return { do: at < 0.93 ? "dequeue" : "dequeueAll" };
}
