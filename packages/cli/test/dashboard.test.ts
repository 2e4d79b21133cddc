import { expect, test } from "vitest";
import { mcpTasks, start } from "./support/cli.ts";
import { sqlite } from "./support/places.ts";

const place = sqlite.use();

async function served(...args: string[]) {
  const program = start(["dashboard", "--port", "0", ...place.args, ...args]);
  const stdout = await program.output((text) => text.includes("token="));
  const url = new URL(/http:\S+/.exec(stdout)?.[0] ?? "");
  return { program, url };
}

/** Opens the address as a browser does, and returns the cookie. */
async function entered(url: URL): Promise<string> {
  const answer = await fetch(url, { redirect: "manual" });
  expect(answer.status).toBe(303);
  expect(answer.headers.get("location")).toBe("/");
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

test("the printed address opens the dashboard once, and the browser's cookie goes on", async () => {
  const { taskId } = await place.store.createTask({ name: "grind" });
  const { program, url } = await served();
  expect(url.hostname).toBe("127.0.0.1");
  expect((await fetch(new URL("/", url))).status).toBe(403);
  expect((await fetch(new URL("/?token=wrong", url))).status).toBe(403);
  const cookie = await entered(url);
  expect((await fetch(url)).status).toBe(403);
  const get = (path: string) => fetch(new URL(path, url), { headers: { cookie } });
  expect(await (await get("/")).text()).toContain("<!doctype html>");
  expect(await (await get("/api/v1/stores/main/tasks")).text()).toContain(taskId);
  const act = (path: string, body: object) =>
    fetch(new URL(path, url), {
      method: "POST",
      headers: { cookie, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  expect((await act(`/api/v1/stores/main/tasks/${taskId}/cancel`, {})).status).toBe(200);
  expect((await place.store.getTask(taskId))?.status).toBe("cancelled");
  program.kill("SIGINT");
  expect((await program.ended).code).toBe(0);
});

test("with --read-only it changes nothing", async () => {
  const { taskId } = await place.store.createTask({ name: "grind" });
  const { program, url } = await served("--read-only");
  const cookie = await entered(url);
  const answer = await fetch(new URL(`/api/v1/stores/main/tasks/${taskId}/cancel`, url), {
    method: "POST",
    headers: { cookie, "content-type": "application/json" },
    body: "{}",
  });
  expect(answer.status).toBe(403);
  expect((await place.store.getTask(taskId))?.status).toBe("working");
  program.kill("SIGTERM");
  await program.ended;
});

test("a port that is taken or no port is refused", async () => {
  const { program, url } = await served();
  expect(await mcpTasks(["dashboard", "--port", url.port, ...place.args])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("taken"),
  });
  expect((await mcpTasks(["dashboard", "--port", "70000", ...place.args])).code).toBe(2);
  program.kill("SIGTERM");
  await program.ended;
});
