import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import { expect, test, vi } from "vitest";
import { BASE, posted, type Scene, scene } from "./support.ts";

/** The names of the events of a stream, as they come. */
async function* eventsOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? [])
    for (const [, name] of decoder.decode(chunk).matchAll(/^event: (\w+)$/gm)) yield name as string;
}

async function next(events: AsyncGenerator<string>): Promise<string | undefined> {
  const { value, done } = await events.next();
  return done ? undefined : value;
}

/** Counts how often the store is listened to. */
function listening({ store }: Scene): { now: number } {
  const count = { now: 0 };
  const subscribe = store.subscribe.bind(store);
  vi.spyOn(store, "subscribe").mockImplementation(async (...args) => {
    const stop = await subscribe(...args);
    count.now += 1;
    return () => {
      count.now -= 1;
      stop();
    };
  });
  return count;
}

test("a stream tells of changes of the store, which is listened to once, and only while somebody watches", async () => {
  const here = scene();
  const count = listening(here);
  expect(count.now).toBe(0);
  const streams = await Promise.all([1, 2].map(async () => eventsOf(await here.raw("api/v1/stores/main/events"))));
  expect(await Promise.all(streams.map(next))).toEqual(["ready", "ready"]);
  expect(count.now).toBe(1);
  await here.store.createTask({ name: "render" });
  expect(await Promise.all(streams.map(next))).toEqual(["changed", "changed"]);
  await streams[0]?.return(undefined);
  await streams[1]?.return(undefined);
  await expect.poll(() => count.now).toBe(0);
});

test("changes in quick succession come as few events, and the last is not missed", async () => {
  const { store, raw } = scene();
  const events = eventsOf(await raw("api/v1/stores/main/events"));
  expect(await next(events)).toBe("ready");
  const { taskId } = await store.createTask({ name: "render" });
  expect(await next(events)).toBe("changed");
  for (let index = 0; index < 20; index += 1) await store.updateTask(taskId, { statusMessage: `${index}` });
  expect(await next(events)).toBe("changed");
  const more = next(events);
  await store.updateTask(taskId, { statusMessage: "last" });
  expect(await more).toBe("changed");
});

test("a stream of one task tells of that task alone", async () => {
  const { store, raw } = scene();
  const { taskId } = await store.createTask({ name: "render" });
  const other = await store.createTask({ name: "render" });
  const events = eventsOf(await raw(`api/v1/stores/main/events?task=${taskId}`));
  expect(await next(events)).toBe("ready");
  // The present state comes first.
  expect(await next(events)).toBe("changed");
  const change = next(events);
  await store.cancelTask(other.taskId);
  await store.cancelTask(taskId);
  expect(await change).toBe("changed");
});

test("a stream ends after ten minutes, so that access is asked again", async () => {
  const { raw } = scene();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  try {
    const events = eventsOf(await raw("api/v1/stores/main/events"));
    expect(await next(events)).toBe("ready");
    vi.advanceTimersByTime(600_000);
    expect(await next(events)).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test("close ends streams, and later requests get 503", async () => {
  const here = scene();
  const count = listening(here);
  const events = eventsOf(await here.raw("api/v1/stores/main/events"));
  expect(await next(events)).toBe("ready");
  await here.dashboard.close();
  expect(await next(events)).toBeUndefined();
  expect(count.now).toBe(0);
  expect((await here.raw("api/v1/session")).status).toBe(503);
  // The application closes its stores.
  expect(await here.store.getTask("none")).toBeNull();
});

test("over node:http, a browser that leaves ends its stream", async () => {
  const here = scene();
  const count = listening(here);
  const server = createServer(toNodeHandler(here.dashboard)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops`;
  const browser = new AbortController();
  const events = eventsOf(await fetch(`${url}/api/v1/stores/main/events`, { signal: browser.signal }));
  expect(await next(events)).toBe("ready");
  expect(count.now).toBe(1);
  browser.abort();
  await expect.poll(() => count.now).toBe(0);
  const { taskId } = await here.store.createTask({ name: "render" });
  const response = await fetch(`${url}/api/v1/stores/main/tasks/${taskId}/cancel`, posted({}));
  expect(await response.json()).toEqual({ taskId, status: "cancelled" });
  server.closeAllConnections();
  server.close();
});

test("over node:http, an answer of access keeps all its cookies", async () => {
  const headers = new Headers([
    ["location", "/login"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ]);
  const here = scene({ access: () => new Response(null, { status: 302, headers }) });
  const server = createServer(toNodeHandler(here.dashboard)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops/main`;
  const response = await fetch(url, { redirect: "manual" });
  expect([response.status, response.headers.getSetCookie()]).toEqual([302, ["a=1", "b=2"]]);
  server.closeAllConnections();
  server.close();
});

test("a store that does not answer is not ready", async () => {
  const here = scene({ access: () => null });
  vi.spyOn(here.store.operations, "getRecord").mockRejectedValue(new Error("postgres://user:hunter2@db"));
  const response = await here.dashboard.fetch(new Request(`${BASE}/readyz`));
  expect([response.status, await response.json()]).toEqual([503, { ready: false }]);
});

test("streams have limits for each user and in all, and a browser that leaves makes room", async () => {
  let user: string | undefined;
  const here = scene({ maxStreams: 3, maxStreamsPerUser: 2, access: () => ({ may: "all", user }) });
  const path = "api/v1/stores/main/events";
  const open = async (as?: string) => {
    user = as;
    return here.raw(path);
  };
  const refusal = async (response: Response) => [response.status, ((await response.json()) as Refused).error.code];
  const first = await open("ada");
  await open("ada");
  expect(await refusal(await open("ada"))).toEqual([429, "TOO_MANY_STREAMS"]);
  expect(await refusal(await here.raw("api/v1/stores/main/bulk/cancel", posted({ q: "", dryRun: true })))).toEqual([
    429,
    "TOO_MANY_STREAMS",
  ]);
  await open();
  expect(await refusal(await open())).toEqual([503, "TOO_MANY_STREAMS"]);
  // A stream that cannot begin takes no place.
  user = "ada";
  for (let round = 0; round < 3; round += 1) expect((await here.raw(`${path}?task=unknown`)).status).toBe(404);
  await first.body?.cancel();
  expect((await open("ada")).status).toBe(200);
  expect((await open("ada")).status).toBe(429);
});

interface Refused {
  error: { code: string };
}
