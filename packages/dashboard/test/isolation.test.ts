// A visitor who sees only some owners learns nothing of the others: not by an answer, a count or an
// event, and not by what the store does for the answer.
import { readFileSync } from "node:fs";
import { type BulkLine, createDashboard } from "@mcp-task-store/dashboard";
import { ANY_OWNER, generateTaskId, MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";
import { describe, expect, onTestFinished, test } from "vitest";
import { linesOf, posted } from "./support.ts";

const OWNERS: readonly (readonly (string | null)[])[] = [
  ["bob"],
  ["", "__proto__", "Ada", "ada "],
  [null],
  ["bob", null],
];
const ISOLATIONS = ["sdk", "strict"] as const;

/** Every call of the API that names a task. */
const CALLS: Readonly<Record<string, (taskId: string) => [path: string, init?: RequestInit]>> = {
  "GET tasks/{id}": (id) => [`tasks/${id}`],
  "GET tasks/{id}/payloads": (id) => [`tasks/${id}/payloads`],
  "GET events": (id) => [`events?task=${id}`],
  "GET tasks": (id) => [`tasks?q=${encodeURIComponent(`id=${id}`)}`],
  "POST tasks/{id}/cancel": (id) => [`tasks/${id}/cancel`, posted({})],
  "POST tasks/{id}/requeue": (id) => [`tasks/${id}/requeue`, posted({})],
  "POST tasks/{id}/rerun": (id) => [`tasks/${id}/rerun`, posted({})],
  "POST tasks/{id}/remove": (id) => [`tasks/${id}/remove`, posted({})],
  "POST tasks/{id}/answer": (id) => [`tasks/${id}/answer`, posted({ key: "name", response: { action: "decline" } })],
  "POST bulk/cancel": (id) => ["bulk/cancel", posted({ q: `id=${id}`, dryRun: false })],
  "POST bulk/remove": (id) => ["bulk/remove", posted({ q: `id=${id}`, dryRun: false })],
  "POST bulk/rerun": (id) => ["bulk/rerun", posted({ q: `id=${id}`, dryRun: false })],
};
/** Calls that name no task, whose answers must not depend on other owners' tasks. */
const OVERVIEWS = ["session", "GET stats", "GET workers", "POST pauses"];

/** The store, with a list of the calls of its methods and whether each found something. */
function watched(store: TaskStore, calls: unknown[]): TaskStore {
  const around = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(_, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (name === "operations") return around(value as object);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const answer: unknown = await Reflect.apply(value, target, args);
          calls.push([String(name), JSON.stringify(args), answer === null || typeof answer]);
          return answer;
        };
      },
    });
  return around(store);
}

async function fill(store: TaskStore, owner: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made += 1) {
    const { taskId } = await store.createTask({ name: "render", owner, arguments: { text: "x".repeat(1000) } });
    ids.push(taskId);
  }
  return ids;
}

function scene(isolation: (typeof ISOLATIONS)[number], owners: readonly (string | null)[]) {
  const calls: unknown[] = [];
  const store = new MemoryTaskStore({ isolation, sweepIntervalMs: false });
  const dashboard = createDashboard({
    stores: { main: watched(store, calls) },
    access: () => ({ may: "all", owners }),
  });
  onTestFinished(async () => {
    await dashboard.close();
    await store.close();
  });
  const call = (path: string, init?: RequestInit) =>
    dashboard.fetch(new Request(`http://localhost/api/v1/stores/main/${path}`, init));
  return { store, calls, call };
}

/** Without times, which differ between any two answers. */
const told = (text: string) => text.replaceAll(/"\d{4}-\d\d-\d\dT[^"]+"/g, '"TIME"').replaceAll(/Ms":\d+/g, 'Ms":TIME');

describe.each(ISOLATIONS)("isolation %s", (isolation) => {
  test.each(OWNERS.map((owners) => [JSON.stringify(owners), owners] as const))(
    "a visitor of %s gets the answer for an unknown task",
    async (_, owners) => {
      const { store, calls, call } = scene(isolation, owners);
      const [working, ended] = (await fill(store, "ada", 2)) as [string, string];
      await store.requestInputs(working, { name: { method: "elicitation/create" } }, { owner: ANY_OWNER });
      await store.finishTask(ended, { status: "completed", result: { content: [] } }, { owner: ANY_OWNER });
      const before = await Promise.all([working, ended].map((taskId) => store.operations.getRecord(taskId)));
      for (const [name, of] of Object.entries(CALLS)) {
        const answer = async (taskId: string) => {
          calls.length = 0;
          const response = await call(...of(taskId));
          const text = `${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`;
          return {
            text: told(text).replaceAll(taskId, "TASK"),
            calls: told(JSON.stringify(calls)).replaceAll(taskId, "TASK"),
          };
        };
        const unknown = await answer(generateTaskId());
        for (const taskId of [working, ended]) {
          const foreign = await answer(taskId);
          expect({ name, text: foreign.text }).toEqual({ name, text: unknown.text });
          // Under the rule of SDK 1.x, a call without owner sees every task, and it is dropped.
          if (isolation === "strict" || !owners.includes(null))
            expect({ name, calls: foreign.calls }).toEqual({ name, calls: unknown.calls });
        }
      }
      expect(await Promise.all([working, ended].map((taskId) => store.operations.getRecord(taskId)))).toEqual(before);
    },
  );

  test("what a visitor sees does not depend on other owners' tasks", async () => {
    const [one, other] = [scene(isolation, ["bob"]), scene(isolation, ["bob"])];
    await fill(one.store, "ada", 150);
    const seen = [];
    for (const { store, call } of [one, other]) {
      const ids = await fill(store, "bob", 3);
      const text = async (path: string, init?: RequestInit) => {
        const said = await (await call(path, init)).text();
        return ids.reduce((rest, id, index) => rest.replaceAll(id, `TASK ${index}`), told(said));
      };
      seen.push([
        await text("tasks"),
        await text("tasks?order=oldest&limit=2").then((page) => page.replace(/"nextCursor":"[^"]+"/, "CURSOR")),
        await text("tasks?q=arguments.text%3Dnone"),
        await text("stats"),
        await text("workers"),
        ...(await linesOf<BulkLine>(await call("bulk/cancel", posted({ q: "", dryRun: true })))),
        ...(await linesOf<BulkLine>(await call("bulk/rerun", posted({ q: "", dryRun: false })))),
      ]);
    }
    expect(seen[0]).toEqual(seen[1]);
  });

  test("a visitor hears of changes to tasks that it sees, and of no others", async () => {
    const { store, call } = scene(isolation, ["bob"]);
    const [adas] = (await fill(store, "ada", 1)) as [string];
    const [bobs] = (await fill(store, "bob", 1)) as [string];
    const { taskId: unowned } = await store.createTask({ name: "render" });
    const response = await call("events");
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toContain("ready");
    const changed = reader.read();
    let heard = 0;
    void changed.then(() => (heard += 1));
    const everyone = { owner: ANY_OWNER } as const;
    for (const taskId of [adas, unowned]) {
      // A watcher of everything hears of the change, so this visitor would have by then.
      const known = Promise.withResolvers<void>();
      const stop = await store.subscribe(() => known.resolve(), { ...everyone, taskId });
      await store.updateTask(taskId, { statusMessage: "on" }, everyone);
      await known.promise;
      stop();
      await store.operations.getRecord(taskId);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(heard).toBe(0);
    await store.updateTask(bobs, { statusMessage: "on" }, everyone);
    expect((await changed).value).toContain("changed");
    await reader.cancel();
  });
});

test("the table has every address of the API", () => {
  const page = readFileSync(new URL("../../../tooling/docs/reference/dashboard-api.md", import.meta.url), "utf8");
  let method = "";
  const addresses: string[] = [];
  for (const line of page.split("\n")) {
    method = /^\| (GET|POST) \|/.exec(line)?.[1] ?? method;
    const address = /^\| `(?:stores\/\{store\}\/)?([a-z/{}]+)` \|/.exec(line)?.[1];
    if (address !== undefined) addresses.push(address === "session" ? address : `${method} ${address}`);
  }
  expect(addresses.toSorted()).toEqual([...Object.keys(CALLS), ...OVERVIEWS].toSorted());
});
