// A process that writes until it is killed. It reports each acknowledged write to its parent, and
// goes on once the report is in the pipe.
import { isTaskStoreError } from "@mcp-task-store/core";
import { carryOut, stepsOf } from "./plan.ts";
import { type BackendName, openStore, PATIENT } from "./stores.ts";

export interface WriterTask {
  readonly backend: BackendName;
  readonly url: string;
  /** The seed of each lane. */
  readonly lanes: Readonly<Record<string, number>>;
  /** An ended task that the writer tries to change. */
  readonly ended: string | undefined;
}

export type WriterReport = { readonly ready: true } | { readonly done: string } | { readonly wrong: string };

const { backend, url, lanes, ended } = JSON.parse(process.argv[2] as string) as WriterTask;

function report(message: WriterReport): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, {}, (error) => (error ? reject(error) : resolve()));
  });
}

// Only the end of the process ends a write.
const store = await openStore(backend, url, PATIENT);

async function write(lane: string, seed: number): Promise<void> {
  for (const step of stepsOf(lane, seed)) {
    await carryOut(store, step);
    await report({ done: lane });
  }
}

async function disturb(taskId: string): Promise<void> {
  for (;;) {
    for (const call of [
      () => store.storeTaskResult(taskId, "failed", { changed: true }),
      () => store.updateTask(taskId, { statusMessage: "changed" }),
      () => store.cancelTask(taskId),
    ]) {
      const error: unknown = await call().then(
        () => "it was changed",
        (reason: unknown) => reason,
      );
      if (!isTaskStoreError(error, "TASK_TERMINAL")) await report({ wrong: `${taskId} has ended: ${error}` });
    }
  }
}

try {
  await store.listTasks();
  await report({ ready: true });
  await Promise.all([
    ...Object.entries(lanes).map(([lane, seed]) => write(lane, seed)),
    ...(ended === undefined ? [] : [disturb(ended)]),
  ]);
} catch (error) {
  await report({ wrong: String(error) });
  process.exit(1);
}
