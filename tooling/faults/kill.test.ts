// The client process is killed at random moments.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { backendNames, backends } from "./backends.ts";
import { Expected } from "./expected.ts";
import { type Step, stepsOf } from "./plan.ts";
import { randomOf, SEED } from "./random.ts";
import { openStore, PATIENT } from "./stores.ts";
import { watchRejections } from "./support.ts";
import type { WriterReport, WriterTask } from "./writer.ts";

const ROUNDS = 200;
const LANES = 4;
/** Processes at once: the next ones start while one dies. */
const AT_ONCE = 4;
/** How many of its writes a process sees acknowledged at most before its end is due. */
const MOST_WRITES = 20;
/** From there on, so that it ends at any point of a write. */
const LONGEST_REST_MS = 5;

const program = fileURLToPath(new URL("writer.ts", import.meta.url));

/** A life's length is counted in writes, so that as many are made where they are slow. */
interface Life {
  readonly writes: number;
  readonly restMs: number;
}

/** A writer's life: returns how many writes of each lane were acknowledged. */
async function live(task: WriterTask, { writes, restMs }: Life): Promise<Map<string, number>> {
  const child: ChildProcess = fork(program, [JSON.stringify(task)], { execArgv: [] });
  const acknowledged = new Map<string, number>();
  const wrong: string[] = [];
  // The first report is that it is ready.
  let left = writes + 1;
  child.on("message", (message: WriterReport) => {
    if ("wrong" in message) {
      wrong.push(message.wrong);
      return;
    }
    if ("done" in message) acknowledged.set(message.done, (acknowledged.get(message.done) ?? 0) + 1);
    left -= 1;
    if (left === 0) setTimeout(() => child.kill("SIGKILL"), restMs);
  });
  // The pipe is read to its end before.
  const disconnected = once(child, "disconnect");
  const [code, signal] = await once(child, "exit");
  await disconnected;
  expect({ wrong, code, signal }).toEqual({ wrong: [], code: null, signal: "SIGKILL" });
  return acknowledged;
}

watchRejections();

describe.each(backendNames)("%s", (name) => {
  test(`whatever a process did that was killed, in ${ROUNDS} rounds, holds, and once`, async () => {
    const backend = backends[name];
    const random = randomOf(SEED);
    const server = await backend.start();
    const store = await openStore(name, server.url, PATIENT);
    try {
      await store.listTasks();
      const expected = new Expected();
      const ended: string[] = [];
      const inDoubt: Step[] = [];
      let [due, acknowledged, tookEffect] = [0, 0, 0];
      let next = 0;
      const rounds = async () => {
        while (next < ROUNDS) {
          const round = next++;
          const seeds = Array.from(
            { length: LANES },
            (_, lane) => [`round ${round}, lane ${lane}`, random() * 2 ** 32] as const,
          );
          const task = {
            backend: name,
            url: server.url,
            lanes: Object.fromEntries(seeds),
            ended: ended.at(random() * ended.length),
          };
          const writes = Math.floor(random() * (MOST_WRITES + 1));
          due += writes;
          const counts = await live(task, { writes, restMs: random() * LONGEST_REST_MS });
          for (const [lane, seed] of seeds) {
            const steps = stepsOf(lane, seed);
            for (let count = counts.get(lane) ?? 0; count > 0; count -= 1) {
              const step = steps.next().value;
              expected.apply(step);
              acknowledged += 1;
              if (step.kind === "complete" || step.kind === "fail") ended.push(step.taskId);
            }
            // Each lane has one write under way at most.
            inDoubt.push(steps.next().value);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, rounds));
      // The server may still carry out what it was sent last, until it has seen that the connections ended.
      await vi.waitFor(async () => expect(await backend.connections(server.url)).toBeLessThanOrEqual(1), {
        timeout: 60_000,
        interval: 50,
      });
      for (const step of inDoubt) if (await expected.settle(store, step)) tookEffect += 1;
      await expected.check(store);
      console.log(
        `faults: ${name}, SIGKILL: ${next} rounds, ${acknowledged} acknowledged writes, ${tookEffect} more took effect before they were; ` +
          `${expected.tasks.size} tasks, ${ended.length} with an outcome (TEST_SEED=${SEED})`,
      );
      expect(acknowledged).toBeGreaterThanOrEqual(due);
      expect(acknowledged).toBeGreaterThan(ROUNDS);
      expect(ended.length).toBeGreaterThan(0);
    } finally {
      await store.close();
      await server.stop();
    }
  }, 600_000);
});
