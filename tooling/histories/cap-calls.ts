// Calls for an owner with a cap on active tasks.
import type { TaskStore } from "@mcp-task-store/core";
import { failure, there } from "./calls.ts";
import { CAP, ITEMS } from "./cap-model.ts";
import type { Answer, CapCall, Seen } from "./operation.ts";

/** Options of a store that keeps to the cap. */
export const CAPPED = { limits: { activeTasksPerOwner: CAP } };

/** The next call. Many creations meet the cap. */
export function nextCapCall(random: () => number): CapCall {
  const item = Math.floor(random() * ITEMS);
  const at = random();
  if (at < 0.37) return { do: "createCapped", item };
  if (at < 0.47) return { do: "rerunCapped", item, first: Math.floor(random() * ITEMS) };
  if (at < 0.66) return { do: "endCapped", item, by: random() < 0.5 ? "cancelTask" : "storeTaskResult" };
  return { do: at < 0.9 ? "removeCapped" : "readCapped", item };
}

/** What a call has seen on its way to its answer, as a read of its own. */
export function seenOnTheWay(call: CapCall, answer: Answer | undefined): readonly [CapCall, Answer] | undefined {
  if (call.do !== "rerunCapped" || typeof answer !== "object" || "error" in answer) return undefined;
  return [{ do: "readCapped", item: call.first }, { seen: { active: false } }];
}

/** @returns `undefined` if the call tells nothing */
export async function callCapped(store: TaskStore, owner: string, call: CapCall): Promise<Answer | undefined> {
  try {
    const seen = await seenBy(store, owner, call);
    return seen && { seen };
  } catch (error) {
    return failure(error, call);
  }
}

async function seenBy(store: TaskStore, owner: string, call: CapCall): Promise<Seen | undefined> {
  const taskId = `${owner}-${call.item}`;
  switch (call.do) {
    case "createCapped":
      await store.createTask({ name: owner, owner, taskId, ttl: null });
      return {};
    case "rerunCapped":
      await store.operations.rerunTask(`${owner}-${call.first}`, { taskId });
      return {};
    case "endCapped":
      if (call.by === "cancelTask") await store.cancelTask(taskId, { owner });
      else await store.storeTaskResult(taskId, "completed", {}, { owner });
      return {};
    case "removeCapped": {
      const { done, skipped } = await store.operations.removeTasks({ id: taskId });
      return done === 1 || skipped.active === 1 ? { removed: done === 1 } : undefined;
    }
    case "readCapped": {
      const { status } = there(await store.getTask(taskId, { owner }));
      return { active: status === "working" };
    }
  }
}
