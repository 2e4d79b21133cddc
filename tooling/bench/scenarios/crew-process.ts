/** A client process of a crew. It takes the store's address, and whether to use the bare driver. */
import { ANY_OWNER } from "@mcp-task-store/core";
import { bareLife } from "../bare/life.ts";
import { serve } from "../child.ts";
import { inFlight, lifeIn, live, RESULT, work } from "../lives.ts";
import { type Address, openStore } from "../places.ts";

export type Whose = "ours" | "bare";

export type Order =
  | { readonly order: "live"; readonly tasks: number; readonly most: number }
  | { readonly order: "claim"; readonly tasks: number; readonly workers: number };

interface Argument {
  readonly address: Exclude<Address, { store: "memory" }>;
  readonly whose: Whose;
}

await using cleanUp = new AsyncDisposableStack();
const { address, whose } = JSON.parse(process.argv[2] ?? "") as Argument;
const store = openStore(address, cleanUp);
const life = whose === "ours" ? lifeIn(store, null) : (await bareLife(address, null, cleanUp)).life;

await serve(async (order: Order) => {
  switch (order.order) {
    case "live":
      return inFlight(order.most, order.tasks, () => live(life));
    case "claim":
      return claim(order.tasks, order.workers);
  }
});

async function claim(tasks: number, workers: number): Promise<string[]> {
  const taskIds: string[] = [];
  await work(workers, tasks, async () => {
    const claimed = await store.claimTask({ names: ["render"] });
    if (!claimed) throw new Error("there was nothing to claim");
    const { lease } = claimed;
    taskIds.push(lease.taskId);
    return () => store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease, owner: ANY_OWNER });
  });
  return taskIds;
}
