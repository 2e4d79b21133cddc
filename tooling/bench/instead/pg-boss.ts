import { PgBoss } from "pg-boss";
import { REQUEST, RESULT, work } from "../lives.ts";
import type { Address } from "../places.ts";
import type { Contestant } from "../scenario.ts";

const QUEUE = "tasks";

/** Without its maintenance and its schedules, which would only take time from it. */
async function openBoss({ url }: Address & { store: "postgres" }, cleanUp: AsyncDisposableStack): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  cleanUp.defer(() => boss.stop({ graceful: false }));
  await boss.createQueue(QUEUE);
  return boss;
}

/** Hands over a job, as soon as there is one. */
async function fetchOne(boss: PgBoss): Promise<string> {
  for (;;) {
    const [job] = await boss.fetch(QUEUE);
    if (job) return job.id;
  }
}

/**
 * A job for each task: sent, fetched, completed, read with its output. Its own workers look for jobs every two seconds, so this fetches
 * by itself; of progress it knows nothing.
 */
export async function pgBossLife(
  place: Address & { store: "postgres" },
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  const boss = await openBoss(place, cleanUp);
  return async () => {
    await boss.send(QUEUE, REQUEST);
    const id = await fetchOne(boss);
    await boss.complete(QUEUE, id, RESULT);
    const [job] = await boss.findJobs(QUEUE, { id });
    if (job?.state !== "completed" || !job.output) throw new Error(`the job is ${job?.state}`);
  };
}

/** So many loops that fetch a job and complete it. */
export async function pgBossClaims(
  place: Address & { store: "postgres" },
  workers: number,
  cleanUp: AsyncDisposableStack,
): Promise<Contestant> {
  const boss = await openBoss(place, cleanUp);
  const handed: string[] = [];
  return {
    name: "pg-boss",
    async before(tasks) {
      const jobs = Array.from({ length: tasks }, () => ({ data: REQUEST }));
      while (jobs.length > 0) await boss.insert(QUEUE, jobs.splice(0, 1000));
      handed.length = 0;
    },
    run: (tasks) =>
      work(workers, tasks, async () => {
        const id = await fetchOne(boss);
        handed.push(id);
        return () => boss.complete(QUEUE, id, RESULT);
      }),
    async after() {
      if (new Set(handed).size !== handed.length) throw new Error("a job was handed out twice");
    },
  };
}
