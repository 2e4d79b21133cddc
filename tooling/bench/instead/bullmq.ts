import { type Job, Queue, Worker } from "bullmq";
import { newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";
import type { Address } from "../places.ts";
import type { Contestant } from "../scenario.ts";

const QUEUE = "tasks";

type Place = Address & { store: "redis" };

function settingsOf({ url, prefix }: Place) {
  return { prefix, connection: { url, maxRetriesPerRequest: null } };
}

function openQueue(place: Place, cleanUp: AsyncDisposableStack): Queue {
  const queue = new Queue(QUEUE, settingsOf(place));
  cleanUp.defer(() => queue.close());
  return queue;
}

/**
 * A job for each task: a worker of this process tells progress and returns the result; who made the job hears of that within the process,
 * which is the quickest way, and then reads state and result as another process would have to.
 */
export async function bullmqLife(
  place: Place,
  most: number,
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const queue = openQueue(place, cleanUp);
  const ended = new Map<string, () => void>();
  const handler = async (job: Job) => {
    await job.updateProgress(PROGRESS);
    return RESULT;
  };
  const worker = new Worker(QUEUE, handler, { ...settingsOf(place), concurrency: most });
  cleanUp.defer(() => worker.close());
  worker.on("completed", ({ id = "" }) => ended.get(id)?.());
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  return async () => {
    const jobId = newTaskId();
    const completed = new Promise<void>((resolve) => ended.set(jobId, resolve));
    await queue.add("render", REQUEST, { jobId });
    await completed;
    ended.delete(jobId);
    const job = await queue.getJob(jobId);
    const state = await job?.getState();
    if (state !== "completed" || !job?.returnvalue) throw new Error(`the job is ${state}`);
  };
}

/** So many workers with one job at a time each, as there would be in as many processes. */
export function bullmqClaims(place: Place, workers: number, cleanUp: AsyncDisposableStack): Contestant {
  const queue = openQueue(place, cleanUp);
  const handed = new Set<string>();
  let open: Worker[] = [];
  let completed = 0;
  let expected = 0;
  let end: (error?: Error) => void = () => undefined;
  const handler = async ({ id = "" }: Job) => {
    if (handed.has(id)) end(new Error(`job ${id} was handed out twice`));
    handed.add(id);
    return RESULT;
  };
  const newWorker = () => {
    const worker = new Worker(QUEUE, handler, { ...settingsOf(place), autorun: false });
    worker.on("completed", () => {
      completed += 1;
      if (completed === expected) end();
    });
    worker.on("error", (error) => end(error));
    return worker;
  };
  return {
    name: "BullMQ",
    async before(tasks) {
      handed.clear();
      completed = 0;
      expected = tasks;
      const jobs = Array.from({ length: tasks }, () => ({ name: "render", data: REQUEST }));
      while (jobs.length > 0) await queue.addBulk(jobs.splice(0, 1000));
      // They connect before the clock starts.
      open = Array.from({ length: workers }, newWorker);
      await Promise.all(open.map((worker) => worker.waitUntilReady()));
    },
    run: () =>
      new Promise<void>((resolve, reject) => {
        end = (error) => (error ? reject(error) : resolve());
        for (const worker of open) worker.run().catch(end);
      }),
    async after() {
      await Promise.all(open.map((worker) => worker.close()));
      if (handed.size !== expected) throw new Error(`${handed.size} of ${expected} jobs were handed out`);
    },
  };
}
