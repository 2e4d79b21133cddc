/**
 * Takes the pictures of the README: `pnpm build && pnpm screenshots` in this package. `all`
 * as a second argument takes more of them, to look at.
 */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createDashboard } from "@mcp-task-store/dashboard";
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import { launchChromium } from "../../../tooling/chromium.ts";
import { sampleStore } from "./sample.ts";

const folder = process.argv[2] ?? fileURLToPath(new URL("../pictures", import.meta.url));
const ASKED = "main/tasks/0f5d1c0e-62b4-4f0e-9d0a-2b6f6c1f7a51";
const PICTURES = [
  { name: "overview-light", path: "main", colorScheme: "light", width: 1200, height: 800 },
  { name: "overview-dark", path: "main", colorScheme: "dark", width: 1200, height: 800 },
  { name: "tasks-light", path: "main/tasks?q=status%3Dactive", colorScheme: "light", width: 1200, height: 760 },
  { name: "tasks-dark", path: "main/tasks", colorScheme: "dark", width: 1200, height: 760 },
  { name: "task-light", path: ASKED, colorScheme: "light", width: 1200, height: 860 },
  { name: "task-dark", path: ASKED, colorScheme: "dark", width: 1200, height: 860 },
] as const;
const MORE = [
  { name: "narrow-overview", path: "main", colorScheme: "light", width: 360, height: 760 },
  { name: "narrow-tasks", path: "main/tasks", colorScheme: "dark", width: 360, height: 760 },
  { name: "narrow-task", path: ASKED, colorScheme: "light", width: 360, height: 760 },
  { name: "names", path: "main/names", colorScheme: "light", width: 1200, height: 500 },
  { name: "owners", path: "main/owners", colorScheme: "dark", width: 1200, height: 500 },
  { name: "workers", path: "main/workers", colorScheme: "light", width: 1200, height: 500 },
  { name: "4k", path: "main", colorScheme: "light", width: 3840, height: 2160 },
] as const;

const store = await sampleStore();
const dashboard = createDashboard({ stores: { main: store }, access: () => ({ may: "all", user: "ada" }) });
const server = createServer(toNodeHandler(dashboard)).listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const browser = await launchChromium();
await mkdir(folder, { recursive: true });
for (const { name, path, colorScheme, width, height } of process.argv[3] === "all"
  ? [...PICTURES, ...MORE]
  : PICTURES) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height } });
  page.on("console", (message) => console.log(name, message.text()));
  page.on("pageerror", (error) => console.log(name, error.message));
  await page.goto(`${base}/${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator("body").getByText("Live", { exact: true }).waitFor();
  await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.close();
}
await browser.close();
server.closeAllConnections();
server.close();
await dashboard.close();
await store.close();
