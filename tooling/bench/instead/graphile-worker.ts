import { Logger, type Runner, run } from "graphile-worker";
import pg from "pg";
import { HandedOut, newTaskId, REQUEST } from "../lives.ts";
import type { Address } from "../places.ts";
import type { Contestant } from "../scenario.ts";

type Place = Address & { store: "postgres" };

/** The commit of a transaction notifies the workers of the jobs added in it. */
const ADD_JOBS = `SELECT count(*) FROM graphile_worker.add_jobs((
  SELECT array_agg(ROW('render', $1::json, NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec)
  FROM generate_series(1, $2::int)))`;
const ANY_LEFT = "SELECT FROM graphile_worker.jobs LIMIT 1";
const STILL_THERE = "SELECT id FROM graphile_worker.jobs WHERE id = ANY ($1::bigint[])";

/** It tells of each completed job, which would only slow it down. */
const errorsOnly = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

/** Its documentation asks for two connections more than jobs at a time, which is 18 for 16 jobs. */
function openPool({ url }: Place, cleanUp: AsyncDisposableStack): pg.Pool {
  const pgPool = new pg.Pool({ connectionString: url, max: 20 });
  pgPool.on("error", (error) => console.error(error));
  pgPool.on("connect", (client) => void client.on("error", (error) => console.error(error)));
  cleanUp.defer(() => pgPool.end());
  return pgPool;
}

/** With the batching that its page on performance recommends, and with the least delay. */
function start(
  pgPool: pg.Pool,
  concurrentJobs: number,
  size: number,
  render: (payload: unknown, jobId: string) => void,
): Promise<Runner> {
  const batching = { localQueue: { size }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  return run({
    pgPool,
    preset: { worker: { concurrentJobs, ...batching } },
    taskList: { render: (payload, { job }) => render(payload, job.id) },
    parsedCronItems: [],
    noHandleSignals: true,
    logger: errorsOnly,
  });
}

/**
 * A job for each task, which a worker of this process runs. It keeps no outcome: it deletes a job
 * that has completed. So the creator of the job hears of its end within the process, and then looks
 * until the job is gone.
 */
export async function graphileLife(
  place: Place,
  most: number,
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const pool = openPool(place, cleanUp);
  const ended = new Map<unknown, () => void>();
  const runner = await start(pool, most, most + 1, (payload) => {
    if (typeof payload === "object" && payload && "taskId" in payload) ended.get(payload.taskId)?.();
  });
  cleanUp.defer(() => runner.stop());
  const gone = deletions(pool);
  return async () => {
    const taskId = newTaskId();
    const end = new Promise<void>((resolve) => ended.set(taskId, resolve));
    const { id } = await runner.addJob("render", { taskId, request: REQUEST });
    await end;
    ended.delete(taskId);
    await gone(id);
  };
}

/** Waits for the deletion of jobs. One read at a time asks for all of them. */
function deletions(pool: pg.Pool): (jobId: string) => Promise<void> {
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  let reading = false;
  const look = async () => {
    const ids = [...waiting.keys()];
    const { rows } = await pool.query({ name: "still_there", text: STILL_THERE, values: [ids] });
    const left = new Set(rows.map(({ id }) => id));
    for (const id of ids.filter((id) => !left.has(id))) {
      waiting.get(id)?.resolve();
      waiting.delete(id);
    }
  };
  const lookUntilNoneWaits = async () => {
    reading = true;
    try {
      while (waiting.size > 0) await look();
    } catch (error) {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    }
    reading = false;
  };
  return (jobId) => {
    const deleted = Promise.withResolvers<void>();
    waiting.set(jobId, deleted);
    if (!reading) void lookUntilNoneWaits();
    return deleted.promise;
  };
}

/** With the local queue that its documentation begins with, and with that of its own figures. */
export function graphileClaims(place: Place, workers: number, cleanUp: AsyncDisposableStack): Contestant[] {
  const pool = openPool(place, cleanUp);
  return [
    claimsOf("graphile-worker", pool, workers, workers + 1),
    claimsOf("graphile-worker, 500 at once", pool, workers, 500),
  ];
}

/**
 * The workers wait before the clock starts. The commit that notifies them of the jobs starts it,
 * and it ends when no job is left.
 */
function claimsOf(name: string, pool: pg.Pool, workers: number, size: number): Contestant {
  const handed = new HandedOut();
  let allHanded = Promise.withResolvers<void>();
  let runner: Runner;
  let adding: pg.PoolClient;
  return {
    name,
    async before(tasks) {
      handed.begin(tasks);
      allHanded = Promise.withResolvers();
      runner = await start(pool, workers, size, (_payload, jobId) => {
        handed.add(jobId);
        if (handed.all) allHanded.resolve();
      });
      adding = await pool.connect();
      await adding.query("BEGIN");
      await adding.query(ADD_JOBS, [JSON.stringify(REQUEST), tasks]);
    },
    async run() {
      await adding.query("COMMIT");
      adding.release();
      await allHanded.promise;
      while ((await pool.query(ANY_LEFT)).rowCount !== 0);
    },
    async after() {
      await runner.stop();
      handed.check();
    },
  };
}
