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

/** `test:faults` sets more rounds than a full test run has time for. */
const ROUNDS = Number(process.env["TEST_FAULT_ROUNDS"] ?? 40);
const LANES = 4;
/** Processes at once: the next ones start while one dies. */
const AT_ONCE = 4;
/** Most acknowledged writes of a process before its kill. */
const MOST_WRITES = 20;
/** Longest random delay after them, so that the kill hits any point of a write. */
const LONGEST_REST_MS = 5;

const program = fileURLToPath(new URL("writer.ts", import.meta.url));

/** A life is a number of writes, so that slow databases get as many as fast ones. */
interface Life {
  readonly writes: number;
  readonly restMs: number;
}

/** A writer's life. Returns the number of acknowledged writes by lane. */
async function live(task: WriterTask, { writes, restMs }: Life): Promise<Map<string, number>> {
  const child: ChildProcess = fork(program, [JSON.stringify(task)], { execArgv: [] });
  const acknowledged = new Map<string, number>();
  const wrong: string[] = [];
  // The first report says that the process is ready.
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
  // By then the pipe has been read to its end.
  const disconnected = once(child, "disconnect");
  const [code, signal] = await once(child, "exit");
  await disconnected;
  expect({ wrong, code, signal }).toEqual({ wrong: [], code: null, signal: "SIGKILL" });
  return acknowledged;
}

watchRejections();

describe.each(backendNames)("%s", (name) => {
  test(`acknowledged writes of killed processes hold, exactly once, in ${ROUNDS} rounds`, async () => {
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
            // Each lane has at most one write under way.
            inDoubt.push(steps.next().value);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, rounds));
      // The server may still run the last commands until it has noticed the end of their
      // connections.
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
