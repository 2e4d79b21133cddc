import { PgBoss } from "pg-boss";
import { HandedOut, REQUEST, RESULT, work } from "../lives.ts";
import type { Address } from "../places.ts";
import type { Contestant } from "../scenario.ts";

const QUEUE = "tasks";

/** Without maintenance and schedules, which only slow it down. */
async function openBoss({ url }: Address & { store: "postgres" }, cleanUp: AsyncDisposableStack): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  cleanUp.defer(() => boss.stop({ graceful: false }));
  await boss.createQueue(QUEUE);
  return boss;
}

/** Hands over jobs, as soon as there are some. Fewer than asked for are all that there are. */
async function fetchJobs(boss: PgBoss, batchSize: number): Promise<string[]> {
  for (;;) {
    const jobs = await boss.fetch(QUEUE, { batchSize });
    if (jobs.length > 0) return jobs.map(({ id }) => id);
  }
}

/**
 * A job for each task: sent, fetched, completed, read with its output. Its own workers poll every
 * two seconds, so the benchmark calls `fetch`. It has no progress.
 */
export async function pgBossLife(
  place: Address & { store: "postgres" },
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const boss = await openBoss(place, cleanUp);
  return async () => {
    await boss.send(QUEUE, REQUEST);
    const [id = ""] = await fetchJobs(boss, 1);
    await boss.complete(QUEUE, id, RESULT);
    const [job] = await boss.findJobs(QUEUE, { id });
    if (job?.state !== "completed" || !job.output) throw new Error(`the job is ${job?.state}`);
  };
}

/** Loops that take so many jobs at a time. */
export async function pgBossClaims(
  place: Address & { store: "postgres" },
  loops: number,
  batchSize: number,
  cleanUp: AsyncDisposableStack,
): Promise<Contestant> {
  const boss = await openBoss(place, cleanUp);
  const handed = new HandedOut();
  return {
    name: "pg-boss",
    async before(tasks) {
      handed.begin(tasks);
      const jobs = Array.from({ length: tasks }, () => ({ data: REQUEST }));
      while (jobs.length > 0) await boss.insert(QUEUE, jobs.splice(0, 1000));
    },
    run: (tasks) =>
      work(loops, Math.ceil(tasks / batchSize), async () => {
        const ids = await fetchJobs(boss, batchSize);
        handed.add(...ids);
        return () => boss.complete(QUEUE, ids, RESULT);
      }),
    after: async () => handed.check(),
  };
}
