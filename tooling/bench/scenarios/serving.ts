import { fork } from "node:child_process";
import { once } from "node:events";
import { inFlight } from "../lives.ts";
import type { Place } from "../places.ts";
import type { Comparison, Contestant, Figures, Scenario } from "../scenario.ts";
import { BareClient } from "./serving-client.ts";

const DOCUMENT = { document: "reports/2026/annual.md" };

export const serving: Scenario = {
  name: "serving",
  title: "serving: a tool called as a task over HTTP, by 2026-07-28, until its result is there",
  notes: [
    "One server process of SDK 2.x, and clients in another, on connections that stay open. The tool does nothing but return a small result.",
    "As a task: tools/call, then tasks/get without a pause until the task is completed; clients that keep to the poll interval ask less often. Without: the same tool, registered with the SDK alone, answered at once.",
    "With getWaitMs: the same, and the answer to tasks/get waits for a change.",
    "A call is one use of the tool, of two requests or more as a task.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 16].map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    leastOperations: most,
    metrics: {
      rate: { unit: "requests/s", better: "higher" },
      calls: { unit: "calls/s", better: "higher" },
      "requests a call": { unit: "", better: "lower" },
    },
    async setUp(cleanUp) {
      const url = await started(place, cleanUp);
      const client = new BareClient(url, most);
      const waiting = new BareClient(new URL("/waits", url).href, most);
      for (const each of [client, waiting]) cleanUp.defer(() => each.close());
      return [
        contestant("as a task", client, most, () => callTask(client)),
        contestant("as a task, with getWaitMs", waiting, most, () => callTask(waiting)),
        contestant("without tasks", client, most, async () => {
          const { content } = await client.ask("tools/call", { name: "render-at-once", arguments: DOCUMENT });
          if (!Array.isArray(content)) throw new Error("there is no result");
        }),
      ];
    },
  };
}

function contestant(name: string, client: BareClient, most: number, call: () => Promise<void>): Contestant {
  return {
    name,
    async run(calls): Promise<Figures> {
      const before = client.requests;
      const start = performance.now();
      await inFlight(most, calls, call);
      const seconds = (performance.now() - start) / 1000;
      const requests = client.requests - before;
      return { rate: requests / seconds, calls: calls / seconds, "requests a call": requests / calls };
    },
  };
}

async function callTask(client: BareClient): Promise<void> {
  const { resultType, taskId } = await client.ask("tools/call", { name: "render", arguments: DOCUMENT });
  if (resultType !== "task") throw new Error(`the answer is no task but ${resultType}`);
  for (;;) {
    const { status, result } = await client.ask("tasks/get", { taskId });
    if (status === "completed" && result !== undefined) return;
    if (status !== "working") throw new Error(`the task is ${status}`);
  }
}

async function started(place: Place, cleanUp: AsyncDisposableStack): Promise<string> {
  const { variant: _, ...address } = place;
  const server = fork(new URL("./serving-process.ts", import.meta.url), [JSON.stringify(address)]);
  cleanUp.defer(async () => {
    if (server.exitCode !== null) return;
    const exit = once(server, "exit");
    server.disconnect();
    await exit;
  });
  const [url] = await Promise.race([
    once(server, "message") as Promise<[string]>,
    once(server, "exit").then(() => {
      throw new Error("the server has ended");
    }),
  ]);
  return url;
}
