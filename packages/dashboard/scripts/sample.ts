import { randomUUID } from "node:crypto";
import { ANY_OWNER, type Clock, MemoryStorage, MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";

// A store as a busy server may have it, made in a moment by a clock that runs fast.

const TOOLS = [
  { name: "render-video", runMs: 42_000, failures: 0.03 },
  { name: "transcribe", runMs: 9000, failures: 0.01 },
  { name: "export-report", runMs: 3500, failures: 0.08 },
  { name: "sync-calendar", runMs: 900, failures: 0.02 },
];
const OWNERS = ["acme", "globex", "initech", "umbrella", "hooli"];
const WORKERS = ["mill-1", "mill-2", "mill-3"];
const MINUTE_MS = 60_000;

/** Numbers that look random and are the same in each run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

class FastClock implements Clock {
  at: number;

  constructor(at: number) {
    this.at = at;
  }

  now(): number {
    return this.at;
  }
}

/** A store with an hour of work behind it. */
export async function sampleStore(): Promise<TaskStore> {
  const roll = dice(7);
  const start = Date.now() - 65 * MINUTE_MS;
  const clock = new FastClock(start);
  const storage = new MemoryStorage({ clock });
  const limits = { ttl: { default: 86_400_000 } };
  const store = new MemoryTaskStore({ storage, claimAfterMs: 0, limits, sweepIntervalMs: false });
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(roll() * values.length)] as Value;
  const make = (name: string, owner = pick(OWNERS)) =>
    store.createTask({ name, owner, taskId: randomUUID(), arguments: argumentsOf(name, roll) });

  for (let minute = 0; minute < 64; minute += 1) {
    const count = 8 + Math.floor(7 * Math.sin(minute / 9) + 5 * roll());
    for (let index = 0; index < count; index += 1) {
      clock.at = start + minute * MINUTE_MS + index * 3000;
      const tool = pick(TOOLS);
      const { taskId } = await make(tool.name);
      clock.at += 200 + roll() ** 4 * 9000;
      const lease = await store.acquireLease(taskId, {
        leaseMs: 600_000,
        holder: { worker: pick(WORKERS), version: "2.3.1" },
      });
      clock.at += tool.runMs * (0.5 + roll() ** 3 * 2);
      if (roll() < 0.02) await store.cancelTask(taskId, { owner: ANY_OWNER });
      else if (roll() < tool.failures)
        await store.finishTask(
          taskId,
          {
            status: "failed",
            error: { code: -32_603, message: "The encoder ran out of memory" },
            statusMessage: "The encoder ran out of memory",
          },
          { lease },
        );
      else
        await store.finishTask(
          taskId,
          { status: "completed", result: { content: [{ type: "text", text: "done" }] } },
          { lease },
        );
    }
  }
  clock.at = Date.now() - 4 * MINUTE_MS;
  for (let index = 0; index < 3; index += 1) await make("export-report");
  for (let index = 0; index < 9; index += 1) {
    clock.at = Date.now() - 50_000 + index * 5000;
    const { taskId } = await make(pick(["render-video", "transcribe"]));
    const lease = await store.acquireLease(taskId, {
      leaseMs: 3_600_000,
      holder: { worker: pick(WORKERS), version: "2.3.1" },
    });
    await store.updateTask(taskId, { statusMessage: `Frame ${Math.floor(roll() * 240)} of 240` }, { lease });
  }
  await ask(store, clock);
  clock.at = Date.now() - 2000;
  for (let index = 0; index < 5; index += 1) await make("sync-calendar");
  Object.defineProperty(clock, "now", { value: () => Date.now() });
  return store;
}

/** A task that was lost once and has a question. */
async function ask(store: TaskStore, clock: FastClock): Promise<void> {
  clock.at = Date.now() - 3 * MINUTE_MS;
  const taskId = "0f5d1c0e-62b4-4f0e-9d0a-2b6f6c1f7a51";
  await store.createTask({
    name: "render-video",
    owner: "acme",
    taskId,
    arguments: { film: "harbour.mov", frames: 240, quality: "high", apiKey: "k-381" },
    context: { trace: "4bf92f35" },
  });
  clock.at += 900;
  await store.acquireLease(taskId, { leaseMs: 30_000, holder: { worker: "mill-2", version: "2.3.0" } });
  clock.at += 61_000;
  const lease = await store.acquireLease(taskId, {
    leaseMs: 3_600_000,
    holder: { worker: "mill-1", version: "2.3.1" },
  });
  await store.updateTask(taskId, { statusMessage: "Frame 120 of 240", checkpoint: { frame: 120 } }, { lease });
  clock.at += 14_000;
  const properties = {
    format: { type: "string", title: "Format", enum: ["mp4", "webm"], default: "mp4" },
    bitrate: {
      type: "integer",
      title: "Bitrate",
      description: "In kbit/s",
      minimum: 500,
      maximum: 50_000,
      default: 8000,
    },
    subtitles: { type: "boolean", title: "With subtitles" },
  };
  const requestedSchema = { type: "object", properties, required: ["format"] };
  const params = { mode: "form", message: "How should the film be encoded?", requestedSchema };
  await store.requestInputs(taskId, { encoding: { method: "elicitation/create", params } }, { lease });
}

function argumentsOf(name: string, roll: () => number): Record<string, unknown> {
  return { source: `${name}-${Math.floor(roll() * 1000)}`, priority: Math.floor(roll() * 3) };
}
