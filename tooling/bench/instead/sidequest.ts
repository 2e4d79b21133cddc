import { setTimeout as sleep } from "node:timers/promises";
import { Job, Sidequest } from "sidequest";
import { newTaskId, REQUEST, RESULT } from "../lives.ts";
import type { Address } from "../places.ts";

const QUEUE = "tasks";
/** Longer than a look of the dispatcher takes. */
const CLOSING_MS = 500;
const ended = new Map<string, () => void>();

/** Sidequest imports this module for each job, and finds the class by its name. */
export class RenderJob extends Job {
  override async run(taskId: string, _request: unknown): Promise<unknown> {
    ended.get(taskId)?.();
    return RESULT;
  }
}

/**
 * A job for each task, which runs in this process. There is one engine in a process. Its
 * maintenance is off, because it would only slow it down.
 */
export async function sidequestLife(
  { url }: Address & { store: "postgres" },
  most: number,
  cleanUp: AsyncDisposableStack,
): Promise<() => Promise<void>> {
  await Sidequest.start({
    backend: { driver: "@sidequest/postgres-backend", config: url },
    queues: [{ name: QUEUE, concurrency: most }],
    maxConcurrentJobs: most,
    jobPollingInterval: 1,
    ...{ fork: false, runner: "inline", gracefulShutdown: false },
    ...{ releaseStaleJobsIntervalMin: false, cleanupFinishedJobsIntervalMin: false },
    logger: { level: "error" },
    dashboard: { enabled: false },
  });
  closeLate(Sidequest.getBackend());
  cleanUp.defer(() => Sidequest.stop());
  return async () => {
    const taskId = newTaskId();
    const end = new Promise<void>((resolve) => ended.set(taskId, resolve));
    const { id } = await Sidequest.build(RenderJob).queue(QUEUE).enqueue(taskId, REQUEST);
    await end;
    ended.delete(taskId);
    // The engine stores the result after the run.
    for (;;) {
      const job = await Sidequest.job.get(id);
      if (job?.state === "completed" && job.result) return;
      if (job?.state !== "running") throw new Error(`the job is ${job?.state}`);
      await sleep(1);
    }
  };
}

/**
 * When the engine stops, it closes its pool while the dispatcher may still ask for a connection,
 * which then fails after a minute. So the pool closes when that call is over.
 */
function closeLate(backend: { close(): Promise<void> } | undefined): void {
  if (!backend) throw new Error("Sidequest has no backend");
  const close = backend.close.bind(backend);
  backend.close = async () => {
    await sleep(CLOSING_MS);
    await close();
  };
}
