import { createPostgresBackend, type Job, Queue, Worker, type WorkerOptions, withBackend } from "bullmq";
import { HandedOut, newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";
import type { Address } from "../places.ts";
import type { Contestant } from "../scenario.ts";

const QUEUE = "tasks";

type Place = Address & { store: "redis" | "postgres" };
type Handler = (job: Job) => Promise<unknown>;
type Options = Pick<WorkerOptions, "autorun" | "concurrency">;

/** The queue and its workers, on Redis or with the backend for PostgreSQL. */
async function open(place: Place, cleanUp: AsyncDisposableStack) {
  const { queue, newWorker } = place.store === "redis" ? onRedis(place) : onPostgres(place);
  cleanUp.defer(() => queue.close());
  await queue.waitUntilReady();
  return { queue, newWorker };
}

function onRedis({ url, prefix }: Place & { store: "redis" }) {
  const settings = { prefix, connection: { url, maxRetriesPerRequest: null } };
  return {
    queue: new Queue(QUEUE, settings),
    newWorker: (handler: Handler, options: Options) => new Worker(QUEUE, handler, { ...settings, ...options }),
  };
}

/** The queue has a pool, and so has a worker, beside the connection on which it listens. */
function onPostgres({ url }: Place & { store: "postgres" }) {
  const bound = withBackend(createPostgresBackend);
  const connection = { connectionString: url, max: 10 };
  return {
    queue: new bound.Queue(QUEUE, { connection: { ...connection, migrate: true } }),
    newWorker: (handler: Handler, options: Options) => new bound.Worker(QUEUE, handler, { connection, ...options }),
  };
}

/**
 * A job for each task. A worker in this process reports progress and returns the result. The
 * creator learns of the job's end in the same process, the fastest way, and then reads state and
 * result like another process.
 */
export async function bullmqLife(
  place: Place,
  most: number,
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const { queue, newWorker } = await open(place, cleanUp);
  const ended = new Map<string, () => void>();
  const handler = async (job: Job) => {
    await job.updateProgress(PROGRESS);
    return RESULT;
  };
  const worker = newWorker(handler, { concurrency: most });
  cleanUp.defer(() => worker.close());
  worker.on("completed", ({ id = "" }) => ended.get(id)?.());
  await worker.waitUntilReady();
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

/**
 * Jobs that run at the same time. On Redis as many workers, like one in each of several processes.
 * On PostgreSQL one worker that runs as many, so that they share a pool: 16 workers that have a
 * pool each are slower (by a third).
 */
export async function bullmqClaims(place: Place, workers: number, cleanUp: AsyncDisposableStack): Promise<Contestant> {
  const { queue, newWorker } = await open(place, cleanUp);
  const handed = new HandedOut();
  let ready: ReturnType<typeof newWorker>[] = [];
  let completed = 0;
  let expected = 0;
  let end: (error?: Error) => void = () => undefined;
  const handler = async ({ id = "" }: Job) => {
    handed.add(id);
    return RESULT;
  };
  const [many, concurrency] = place.store === "redis" ? [workers, 1] : [1, workers];
  const prepare = () => {
    const worker = newWorker(handler, { concurrency, autorun: false });
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
      handed.begin(tasks);
      completed = 0;
      expected = tasks;
      const jobs = Array.from({ length: tasks }, () => ({ name: "render", data: REQUEST }));
      while (jobs.length > 0) await queue.addBulk(jobs.splice(0, 1000));
      // They connect before the clock starts.
      ready = Array.from({ length: many }, prepare);
      await Promise.all(ready.map((worker) => worker.waitUntilReady()));
    },
    run: () =>
      new Promise<void>((resolve, reject) => {
        end = (error) => (error ? reject(error) : resolve());
        for (const worker of ready) worker.run().catch(end);
      }),
    async after() {
      await Promise.all(ready.map((worker) => worker.close()));
      handed.check();
    },
  };
}
