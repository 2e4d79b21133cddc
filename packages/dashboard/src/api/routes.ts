import { FILTER_WORDS } from "@mcp-task-store/core";
import { ACTIONS, type Viewer } from "../access.ts";
import { json } from "../answers.ts";
import { nothingHere } from "../failures.ts";
import type { SessionAnswer } from "../wire.ts";
import { setPaused, TASK_ACTS } from "./acts.ts";
import { BULK_ACTS, bulkAct } from "./bulk.ts";
import type { Call, StoreRoom } from "./call.ts";
import { events } from "./events.ts";
import { getStats, getWorkers } from "./overview.ts";
import { getPayloads, getTask, listTasks } from "./tasks.ts";

export function session(viewer: Viewer, rooms: readonly StoreRoom[]): Response {
  const { user, actions, owners, payloads } = viewer;
  const answer: SessionAnswer = {
    ...(user === undefined ? {} : { user }),
    stores: rooms.map(({ name, store }) => ({ name, capabilities: store.capabilities })),
    actions: ACTIONS.filter((action) => actions.has(action)),
    ...(owners === undefined ? {} : { owners }),
    payloads,
    words: FILTER_WORDS,
  };
  return json(answer);
}

/** Answers a call to one store, by the parts of the address after the store's name. */
export async function route(call: Call, parts: readonly string[]): Promise<Response> {
  const [kind, second, third] = parts;
  const shape = `${call.request.method} ${kind}/${parts.length}`;
  switch (shape) {
    case "GET stats/1":
      return getStats(call);
    case "GET workers/1":
      return getWorkers(call);
    case "GET events/1":
      return events(call);
    case "GET tasks/1":
      return listTasks(call);
    case "GET tasks/2":
      return getTask(call, second as string);
    case "GET tasks/3":
      if (third === "payloads") return getPayloads(call, second as string);
      break;
    case "POST pauses/1":
      return setPaused(call);
    case "POST bulk/2": {
      const action = BULK_ACTS.find((each) => each === second);
      if (action) return bulkAct(call, action);
      break;
    }
    case "POST tasks/3": {
      const act = TASK_ACTS[Object.keys(TASK_ACTS).find((each) => each === third) as keyof typeof TASK_ACTS];
      if (act) return act(call, second as string);
    }
  }
  throw nothingHere();
}
