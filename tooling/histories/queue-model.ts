// The message queue of a task, as the contract describes it. It shares no code with core.
import type { Model } from "./checker.ts";
import type { Operation, QueueCall } from "./operation.ts";

type Queue = readonly number[];

export const queueModel: Model<Queue, Operation<QueueCall>> = {
  initial: [],
  step(queue, { call, answer }) {
    const isFull = call.do === "enqueue" && queue.length >= call.most;
    const taken = call.do === "enqueue" ? [] : call.do === "dequeue" ? queue.slice(0, 1) : queue;
    const after = call.do === "enqueue" ? [...queue, call.item] : queue.slice(taken.length);
    if (answer === "unknown") return isFull ? undefined : after;
    if ("error" in answer) return isFull && answer.error === "QUEUE_FULL" ? queue : undefined;
    if (isFull || (call.do !== "enqueue" && answer.seen["items"] !== taken.join())) return undefined;
    return after;
  },
  isRead: ({ answer }) => answer !== "unknown" && ("error" in answer || answer.seen["items"] === ""),
  key: (queue) => queue.join(),
};
