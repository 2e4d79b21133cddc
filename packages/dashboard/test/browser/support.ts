import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { createDashboard, type DashboardOptions } from "@mcp-task-store/dashboard";
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import { MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { launchChromium } from "../../scripts/chromium.ts";

/** For the top of a file: a Chromium for its tests. Where there is none, they fail. */
export function useBrowser(): { open(url: string, options?: BrowserContextOptions): Promise<Page> } {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  return {
    async open(url, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      const wrong = watchPage(page, url);
      onTestFinished(async () => {
        await context.close();
        expect(wrong).toEqual([]);
      });
      await page.goto(url);
      return page;
    },
  };
}

/** What no page may do: throw, break the policy, ask elsewhere, or open a dialog of script. */
function watchPage(page: Page, url: string): string[] {
  const wrong: string[] = [];
  const { origin } = new URL(url);
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) wrong.push(`asked ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    wrong.push(`a dialog of script: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return wrong;
}

/** A store that closes after the dashboard that is made of it later in the test. */
export function memoryStore(): MemoryTaskStore {
  const store = new MemoryTaskStore();
  onTestFinished(() => store.close());
  return store;
}

/** Serves a dashboard of the store until the test ends, and returns its address. */
export async function serve(store: TaskStore, options: Partial<DashboardOptions> = {}): Promise<string> {
  const dashboard = createDashboard({
    stores: { main: store },
    access: () => ({ may: "all", user: "ada" }),
    basePath: "/ops",
    ...options,
  });
  const server = createServer(toNodeHandler(dashboard)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    await dashboard.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops`;
}

const axe = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong with the page, in short. */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(await axe);
  return page.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 200) + " " + failureSummary)))`);
}

/** Whether the page is wider than its window. */
export function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth");
}

const AT_ONCE = 200;

/** Makes tasks quickly: `count` of them, and calls `task` for what each is. */
export async function fill(
  store: TaskStore,
  count: number,
  task: (index: number) => Parameters<TaskStore["createTask"]>[0] & { name: string },
): Promise<string[]> {
  const ids: string[] = [];
  for (let start = 0; start < count; start += AT_ONCE) {
    const made = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) =>
      store.createTask(task(start + index)),
    );
    ids.push(...(await Promise.all(made)).map(({ taskId }) => taskId));
  }
  return ids;
}
