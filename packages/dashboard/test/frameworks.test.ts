import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener, serve } from "@hono/node-server";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";

vi.stubEnv("TASKS_DB", ":memory:");
const printed = vi.spyOn(console, "log").mockImplementation(() => undefined);
const { close } = await import("../examples/operators.ts");
afterAll(close);

const frameworks: readonly { name: string; start: () => Promise<Server> }[] = [
  { name: "node:http", start: async () => (await import("../examples/node-http.ts")).http.listen(0, "127.0.0.1") },
  { name: "Express", start: async () => (await import("../examples/express.ts")).app.listen(0, "127.0.0.1") },
  {
    name: "Hono",
    start: async () => {
      const { app } = await import("../examples/hono.ts");
      return serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }) as Server;
    },
  },
  {
    name: "Next.js",
    start: async () => {
      const routes: Record<string, unknown> = await import("../examples/nextjs/route.ts");
      // Next.js calls the function of the method.
      const handle = async (request: Request) => {
        const handler = routes[request.method] as ((request: Request) => Promise<Response>) | undefined;
        return handler ? handler(request) : new Response(null, { status: 405 });
      };
      return createServer(getRequestListener(handle)).listen(0, "127.0.0.1");
    },
  },
];

describe.each(frameworks)("The example for $name", ({ start }) => {
  let server: Server;
  let url: string;
  const as = (user: string) => ({ authorization: `Basic ${btoa(`${user}:secret`)}` });
  const act = { method: "POST", headers: { ...as("ada"), "content-type": "application/json" } };

  beforeEach(async () => {
    server = await start();
    if (!server.listening) await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("asks who is there, and answers with the page and the API", async () => {
    const unknown = await fetch(`${url}/main`);
    expect([unknown.status, unknown.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="Tasks"']);
    expect((await fetch(`${url}/main`, { headers: { authorization: `Basic ${btoa("ada:secreT")}` } })).status).toBe(
      401,
    );
    const page = await (await fetch(url, { headers: as("eve") })).text();
    expect(page).toContain('<base href="/ops/">');
    const script = /src="\.\/([^"]+)"/.exec(page)?.[1];
    expect((await fetch(`${url}/${script}`, { headers: as("eve") })).headers.get("content-type")).toContain(
      "javascript",
    );
    const session = await fetch(`${url}/api/v1/session`, { headers: as("eve") });
    expect(await session.json()).toMatchObject({ user: "eve", actions: [] });
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ ok: true });
  });

  test("does acts for those who may, and writes them down", async () => {
    const body = JSON.stringify({ name: "render", paused: true });
    expect(
      (await fetch(`${url}/api/v1/stores/main/pauses`, { ...act, body, headers: { ...act.headers, ...as("eve") } }))
        .status,
    ).toBe(403);
    const paused = await fetch(`${url}/api/v1/stores/main/pauses`, { ...act, body });
    expect([paused.status, await paused.json()]).toEqual([200, { name: "render", paused: true }]);
    const entries = printed.mock.calls.map(([line]) => JSON.parse(line));
    expect(entries.at(-1)).toMatchObject({ user: "ada", action: "pause", name: "render", state: "done" });
    const foreign = { ...act.headers, origin: "https://evil.example" };
    expect((await fetch(`${url}/api/v1/stores/main/pauses`, { ...act, body, headers: foreign })).status).toBe(403);
  });

  test("streams events and the lines of an act on a filter", async () => {
    const events = await fetch(`${url}/api/v1/stores/main/events`, { headers: as("ada") });
    const reader = events.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("event: ready");
    await reader?.cancel();
    const body = JSON.stringify({ q: "", dryRun: true });
    const bulk = await fetch(`${url}/api/v1/stores/main/bulk/cancel`, { ...act, body });
    expect(JSON.parse(await bulk.text())).toMatchObject({ outcome: { done: 0 }, dryRun: true });
  });
});
