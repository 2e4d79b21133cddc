import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createDashboard, type DashboardOptions } from "@mcp-task-store/dashboard";
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import { MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";
import { onTestFinished } from "vitest";

export { isTooWide, useBrowser, violationsOf } from "../../../../tooling/test/fixtures/browser.ts";

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
