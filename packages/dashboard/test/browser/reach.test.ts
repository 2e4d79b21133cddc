import type { TaskStore } from "@mcp-task-store/memory";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sampleStore } from "../../scripts/sample.ts";
import { fill, isTooWide, memoryStore, serve, useBrowser, violationsOf } from "./support.ts";

// Who can use the pages: with a keyboard, a screen reader, a narrow or a huge window.

const browser = useBrowser();
const ASKED = "main/tasks/0f5d1c0e-62b4-4f0e-9d0a-2b6f6c1f7a51";
const PAGES = ["main", "main/tasks", ASKED, "main/workers", "main/names", "main/owners"];
let store: TaskStore;
beforeAll(async () => {
  store = await sampleStore();
});
afterAll(() => store?.close());

describe.each(["light", "dark"] as const)("In the %s scheme", (colorScheme) => {
  test.each([
    [360, 740],
    [1280, 800],
    [3840, 2160],
  ])("axe finds nothing at %i by %i, and no page is wider than the window", async (width, height) => {
    const url = await serve(store);
    const page = await browser.open(`${url}/main`, { colorScheme, viewport: { width, height } });
    for (const path of PAGES) {
      await page.goto(`${url}/${path}`);
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByRole("heading", { level: 1 }).waitFor();
      if (path === "main") await page.locator("canvas").last().waitFor();
      if (path === "main/tasks") await page.locator(".rows .row").first().waitFor();
      if (path === ASKED) {
        await page.getByRole("button", { name: "Show payloads" }).click();
        await page.getByRole("heading", { name: "Request" }).waitFor();
      }
      expect(await violationsOf(page), path).toEqual([]);
      expect(await isTooWide(page), path).toBe(false);
    }
  });

  test("axe finds nothing in suggestions and dialogs", async () => {
    const page = await browser.open(`${await serve(store)}/main/tasks`, { colorScheme });
    await page.getByRole("combobox", { name: "Search tasks" }).fill("st");
    await page.getByRole("option", { name: /^status=/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Cancel…" }).click();
    await page.getByText("would be cancelled.").waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });
});

test("the keyboard reaches everything: search, rows, a task, an act", async () => {
  const own = memoryStore();
  const ids = await fill(own, 500, (index) => ({ name: "render", taskId: `task-${String(index).padStart(3, "0")}` }));
  const page = await browser.open(`${await serve(own)}/main/tasks?order=oldest`);
  const focused = () => page.evaluate("document.activeElement.textContent");
  await page.getByRole("link", { name: `Task ${ids[0]}` }).waitFor();
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the content");
  await page.keyboard.press("/");
  expect(await page.evaluate("document.activeElement.getAttribute('role')")).toBe("combobox");

  await page.getByRole("link", { name: `Task ${ids[0]}` }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect.poll(focused).toBe(ids[2]);
  await page.keyboard.press("End");
  // More is read as the end is reached.
  await expect.poll(focused).toBe(ids[99]);
  await expect.poll(() => page.locator(".toolbar p").textContent()).toContain("200");
  await page.keyboard.press("ArrowDown");
  await expect.poll(focused).toBe(ids[100]);
  await page.keyboard.press("Home");
  await expect.poll(focused).toBe(ids[0]);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Timeline" }).waitFor();

  await page.getByRole("button", { name: "Cancel…" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.locator("dialog").count()).toBe(0);
  await expect.poll(focused).toBe("Cancel…");
  await page.keyboard.press("Enter");
  await page.getByLabel("Message to the requestor").fill("Not needed");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("The task was cancelled").waitFor();
  expect(await own.getTask("task-000")).toMatchObject({ status: "cancelled", statusMessage: "Not needed" });
});

test("a link moves the focus to the heading, and going back returns to the row", async () => {
  const own = memoryStore();
  const ids = await fill(own, 90, (index) => ({ name: "render", taskId: `task-${index}` }));
  const page = await browser.open(`${await serve(own)}/main/tasks?order=oldest`, {
    viewport: { width: 1280, height: 500 },
  });
  await page.getByRole("link", { name: `Task ${ids[0]}`, exact: true }).waitFor();
  await page.evaluate("scrollTo(0, 1500)");
  await page.getByRole("link", { name: `Task ${ids[42]}`, exact: true }).click();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await expect.poll(() => page.evaluate("[document.activeElement.tagName, scrollY]")).toEqual(["H1", 0]);
  await page.goBack();
  await page.getByRole("link", { name: `Task ${ids[42]}`, exact: true }).waitFor();
  expect(await page.evaluate("scrollY")).toBe(1500);
});

test("what needs attention leads to the tasks", async () => {
  const own = memoryStore();
  const ids = await fill(own, 8, () => ({ name: "two words", claimAfterMs: 0 }));
  const error = { code: -32_603, message: "No" };
  for (const id of ids.slice(0, 3)) await own.finishTask(id, { status: "failed", error });
  for (const id of ids.slice(3, 6)) await own.finishTask(id, { status: "completed", result: {} });
  await own.operations.pauseClaims("two words");
  const url = await serve(own);
  const page = await browser.open(`${url}/main`);
  const count = page.locator(".toolbar p");
  await page.getByRole("link", { name: "3 of 6 tasks failed in ten minutes" }).click();
  await expect.poll(() => count.textContent()).toBe("3 tasks");
  await page.goBack();
  await page.getByRole("link", { name: "two words is paused, and 2 tasks wait" }).click();
  await expect.poll(() => count.textContent()).toBe("2 tasks");
});

test("a chart tells the values of the minute that the pointer is at", async () => {
  const page = await browser.open(`${await serve(store)}/main`);
  const chart = page.locator("figure", { hasText: "Ended per minute" });
  await chart.getByText(/^In the last hour: \d+ completed/).waitFor();
  await chart.locator(".u-over").hover();
  await chart.getByText(/^\d\d:\d\d: completed \d+, failed \d+, cancelled \d+$/).waitFor();
  await page.mouse.move(0, 0);
  await chart.getByText(/^In the last hour/).waitFor();
});

test("a visitor whose session ends is told so", async () => {
  let isIn = true;
  const access = () => (isIn ? ("all" as const) : new Response(null, { status: 302, headers: { location: "/login" } }));
  const page = await browser.open(`${await serve(memoryStore(), { access })}/main`);
  await page.getByText("Nothing needs attention").waitFor();
  isIn = false;
  await page.getByRole("link", { name: "Workers" }).click();
  await page.getByText("Your session has ended: reload the page to log in again").first().waitFor();
});

test("a name is paused and resumed", async () => {
  const own = memoryStore();
  await own.createTask({ name: "render" });
  const page = await browser.open(`${await serve(own)}/main/names`);
  await page.getByRole("button", { name: "Pause render" }).click();
  await page.getByText("Paused", { exact: true }).waitFor();
  expect(await own.operations.pausedNames()).toEqual(["render"]);
  await page.getByRole("button", { name: "Resume render" }).click();
  await page.getByText("Open", { exact: true }).waitFor();
  expect(await own.operations.pausedNames()).toEqual([]);
});

test("nothing is read while the window is hidden", async () => {
  const own = memoryStore();
  let streams = 0;
  const subscribe = own.subscribe.bind(own);
  vi.spyOn(own, "subscribe").mockImplementation(async (...args) => {
    const stop = await subscribe(...args);
    streams += 1;
    return () => {
      streams -= 1;
      stop();
    };
  });
  const page = await browser.open(`${await serve(own)}/main/tasks`);
  await page.getByText("Live", { exact: true }).waitFor();
  expect(streams).toBe(1);
  const hide = (hidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, "hidden", { value: ${hidden}, configurable: true });
      Object.defineProperty(document, "visibilityState", { value: "${hidden ? "hidden" : "visible"}", configurable: true });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true })); undefined`);
  await hide(true);
  await page.getByText("Paused", { exact: true }).waitFor();
  await expect.poll(() => streams).toBe(0);
  const { taskId } = await own.createTask({ name: "render" });
  await hide(false);
  await page.getByRole("link", { name: `Task ${taskId}` }).waitFor();
  expect(streams).toBe(1);
});
