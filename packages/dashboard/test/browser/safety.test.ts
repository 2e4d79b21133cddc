import type { MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, test } from "vitest";
import { memoryStore, serve, useBrowser } from "./support.ts";

const browser = useBrowser();
const SCRIPT = "<script>window.hacked = 1</script>";
const IMAGE = `"><img src=x onerror="window.hacked = 1">`;
const LINK = "javascript:window.hacked=1";

/** A task of which every part tries to run a script. */
async function hostileStore(): Promise<{ store: MemoryTaskStore; taskId: string }> {
  const store = memoryStore();
  const hostile = JSON.parse(
    JSON.stringify({
      [IMAGE]: [SCRIPT, LINK, { type: "script", props: { dangerouslySetInnerHTML: { __html: SCRIPT } }, key: null }],
      constructor: { prototype: { hacked: 1 } },
    }).replace("{", '{"__proto__": {"hacked": 1, "toString": 1},'),
  );
  const { taskId } = await store.createTask({
    name: IMAGE,
    owner: SCRIPT,
    taskId: `t/${IMAGE}?#`,
    arguments: hostile,
    context: hostile,
  });
  const lease = await store.acquireLease(taskId, { holder: { worker: IMAGE, version: SCRIPT } });
  await store.updateTask(taskId, { statusMessage: `${SCRIPT}${IMAGE}`, checkpoint: hostile }, { lease });
  const properties = {
    [IMAGE]: { type: "string", title: SCRIPT, description: IMAGE, enum: [LINK, SCRIPT], default: LINK },
  };
  const form = { message: `${SCRIPT}${IMAGE}`, requestedSchema: { type: "object", properties } };
  const url = { mode: "url", message: IMAGE, url: LINK, elicitationId: "1" };
  const requests = {
    [SCRIPT]: { method: "elicitation/create", params: form },
    link: { method: "elicitation/create", params: url },
  };
  await store.requestInputs(taskId, requests, { lease });
  return { store, taskId };
}

test("whatever a task holds, the browser shows it as text", async () => {
  const { store, taskId } = await hostileStore();
  const url = await serve(store);
  const page = await browser.open(`${url}/main`);
  for (const path of ["main", "main/tasks", "main/workers", "main/names", "main/owners"]) {
    await page.goto(`${url}/${path}`);
    await page.getByText("Live", { exact: true }).waitFor();
    const places = { "main/tasks": ".rows", "main/workers": "table", "main/names": "table", "main/owners": "table" };
    const place = places[path as keyof typeof places];
    const text = path === "main/owners" ? SCRIPT : IMAGE;
    if (place !== undefined) await page.locator(place).getByText(text).first().waitFor();
  }
  await page.goto(`${url}/main/tasks`);
  await page.getByRole("link", { name: `Task ${taskId}` }).click();
  await page.getByRole("heading", { name: IMAGE }).waitFor();
  await page.getByRole("button", { name: "Show payloads" }).click();
  // Opens all that can be opened.
  for (;;) {
    const closed = page.locator("details:not([open]) > summary");
    if ((await closed.count()) === 0) break;
    await closed.first().click();
  }
  await page.getByText(`"${LINK}"`).first().waitFor();
  await page.getByText("__proto__").first().waitFor();
  expect(await page.evaluate("[window.hacked, ({}).hacked, typeof {}.toString]")).toEqual([
    undefined,
    undefined,
    "function",
  ]);
  expect(await page.locator("main script, main img, main iframe").count()).toBe(0);
  const links = await page
    .locator("a")
    .evaluateAll((all) => all.map((each) => (each as unknown as { protocol: string }).protocol));
  expect(new Set(links)).toEqual(new Set(["http:"]));
});

test("a hostile address and a hostile search are shown as text", async () => {
  const store = memoryStore();
  const url = await serve(store);
  const page = await browser.open(`${url}/main/tasks?q=${encodeURIComponent(IMAGE)}`);
  await page.getByText("is not understood").waitFor();
  await page.goto(`${url}/${encodeURIComponent(SCRIPT)}/tasks`);
  await page.getByText("No such store").waitFor();
  await page.goto(`${url}/main/tasks/${encodeURIComponent(SCRIPT)}`);
  await page.getByText("No such task").first().waitFor();
  expect(await page.evaluate("window.hacked")).toBeUndefined();
});

test("a script that gets into the page by any way does not run", async () => {
  const store = memoryStore();
  const response = await fetch(`${await serve(store)}/main`);
  const html = await response.text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\bon\w+=|style=/);
  expect(response.headers.get("content-security-policy")).toContain("script-src 'self'");
});

test("payloads are not sent before they are asked for", async () => {
  const store = memoryStore();
  const { taskId } = await store.createTask({ name: "render", arguments: { word: "hunter2", password: "p-1" } });
  const page = await browser.open(`${await serve(store)}/main/tasks`);
  const answers: Promise<string>[] = [];
  page.on("response", (response) => {
    if (!response.url().includes("/events")) answers.push(response.text().catch(() => ""));
  });
  await page.getByRole("link", { name: `Task ${taskId}` }).click();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  expect((await Promise.all(answers)).join()).not.toContain("hunter2");
  await page.getByRole("button", { name: "Show payloads" }).click();
  await page.locator("details:not([open]) > summary", { hasText: "params" }).click();
  await page.locator("details:not([open]) > summary", { hasText: "arguments" }).click();
  await page.getByText('"hunter2"').waitFor();
  await page.getByText('"[redacted]"').waitFor();
  expect((await Promise.all(answers)).join()).not.toContain("p-1");
});

test("a visitor who may only look is offered no act", async () => {
  const { store, taskId } = await hostileStore();
  const url = await serve(store, { access: () => ({ may: "read-only", user: "eve" }) });
  const page = await browser.open(`${url}/main/tasks`);
  await page.getByText("Read-only").waitFor();
  await page.getByRole("link", { name: `Task ${taskId}` }).waitFor();
  const act = /cancel|remove|run again|queue|pause|accept|decline|dismiss/i;
  const offered = async () => (await page.getByRole("button").allTextContents()).filter((text) => act.test(text));
  // The facet of cancelled tasks is no act.
  expect((await offered()).filter((text) => !/^Cancelled\d/.test(text))).toEqual([]);
  await page.goto(`${url}/main/names`);
  await page.locator("main").getByText(IMAGE).first().waitFor();
  expect(await offered()).toEqual([]);
  await page.goto(`${url}/main/tasks/${encodeURIComponent(taskId)}`);
  await page.getByText("Open question").first().waitFor();
  expect(await offered()).toEqual([]);
});
