import { ANY_OWNER, type TaskSnapshot } from "@mcp-task-store/core";
import { answer } from "../answers.ts";
import { sees } from "../scope.ts";
import { Watch } from "../watch.ts";
import type { Call } from "./call.ts";
import { recordFor } from "./tasks.ts";

const HEARTBEAT_MS = 15_000;
/** A stream ends after so long. The browser connects again, and `access` is asked again. */
const LIFE_MS = 600_000;
/** After how long a browser connects again. */
const RETRY_MS = 5000;

/**
 * A stream of server-sent events. `changed` says that something in the store changed, or the task
 * of `?task=`, and no more: the page then reads what it shows.
 */
export async function events(call: Call): Promise<Response> {
  const taskId = call.query.get("task");
  if (taskId !== null) await recordFor(call, taskId);
  const { watch, store, streams } = call.room;
  const free = streams.take(call.viewer.user);
  const end = new AbortController();
  let isCancelled = false;
  const signal = AbortSignal.any([end.signal, call.request.signal, watch.closed]);
  const encoder = new TextEncoder();
  let write: (text: string) => void = () => undefined;
  const changed = () => write("event: changed\ndata: {}\n\n");
  const following = taskId === null ? followAll(call, changed) : store.subscribe(changed, { taskId, owner: ANY_OWNER });
  // A stream that cannot begin leaves its place.
  following.catch(free);
  const stop = await following;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      write = (text) => {
        // A browser that reads nothing gets no queue: the next change tells it as much.
        if ((controller.desiredSize ?? 0) > -16) controller.enqueue(encoder.encode(text));
      };
      write(`retry: ${RETRY_MS}\nevent: ready\ndata: {}\n\n`);
      const heartbeat = setInterval(() => write(": here\n\n"), HEARTBEAT_MS);
      heartbeat.unref();
      const life = setTimeout(() => end.abort(), LIFE_MS);
      life.unref();
      const finish = () => {
        clearInterval(heartbeat);
        clearTimeout(life);
        stop();
        free();
        write = () => undefined;
        if (!isCancelled) controller.close();
      };
      if (signal.aborted) finish();
      else signal.addEventListener("abort", finish, { once: true });
    },
    cancel() {
      isCancelled = true;
      end.abort();
    },
  });
  return answer(body, "text/event-stream", { headers: { "cache-control": "no-store", "x-accel-buffering": "no" } });
}

/** Calls `changed` after changes of the tasks that the viewer may see. */
async function followAll(call: Call, changed: () => void): Promise<() => void> {
  const { watch, store, report } = call.room;
  const { owners } = call.viewer;
  if (owners === undefined) return watch.add(changed);
  // A subscription of one owner, or of none, may also tell of tasks that the viewer must not see.
  const check = async (taskId: string) => {
    const record = await call.operations.getRecord(taskId, { fields: [] });
    if (record !== null && sees(call.viewer, record.owner)) own.tell();
  };
  const subscribe = async (): Promise<() => void> => {
    const listener = ({ task }: TaskSnapshot) => void check(task.taskId).catch(report);
    const stops = await Promise.all(owners.map((owner) => store.subscribe(listener, { owner: owner ?? undefined })));
    return () => {
      for (const stop of stops) stop();
    };
  };
  const own = new Watch(subscribe);
  return own.add(changed);
}
