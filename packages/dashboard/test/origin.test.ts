import { expect, test } from "vitest";
import { posted, scene } from "./support.ts";

const CANCEL = "api/v1/stores/main/bulk/cancel";

test.each([
  ["another site's page", { "sec-fetch-site": "cross-site" }],
  ["a page of a sibling domain", { "sec-fetch-site": "same-site" }],
  ["an address that was typed", { "sec-fetch-site": "none" }],
  ["another origin, by a browser that says no more", { origin: "https://evil.example" }],
  ["a page without origin", { origin: "null" }],
  ["a form", { "content-type": "application/x-www-form-urlencoded" }],
  ["a form that sends text", { "content-type": "text/plain" }],
])("an act that %s sends is refused", async (_, headers) => {
  const { store, raw, audit } = scene();
  const { taskId } = await store.createTask({ name: "render" });
  expect([403, 415]).toContain((await raw(CANCEL, posted({ q: "", dryRun: false }, headers))).status);
  expect(await store.getTask(taskId)).toMatchObject({ status: "working" });
  expect(audit).toEqual([]);
});

test.each([
  ["the dashboard's page", { "sec-fetch-site": "same-origin", origin: "http://localhost" }],
  ["the dashboard's page behind a proxy that ends TLS", { origin: "https://localhost" }],
  ["a program", {}],
  ["an allowed origin", { "sec-fetch-site": "cross-site", origin: "https://ops.example" }],
])("an act that %s sends is done", async (_, headers) => {
  const { store, raw } = scene({ allowedOrigins: ["https://ops.example"] });
  const { taskId } = await store.createTask({ name: "render" });
  const response = await raw(CANCEL, posted({ q: "", dryRun: false }, headers));
  expect(JSON.parse(await response.text())).toMatchObject({ outcome: { done: 1 } });
  expect(await store.getTask(taskId)).toMatchObject({ status: "cancelled" });
});

test("no act is done by GET", async () => {
  const { store, raw } = scene();
  const { taskId } = await store.createTask({ name: "render" });
  for (const path of [CANCEL, `api/v1/stores/main/tasks/${taskId}/cancel`]) expect((await raw(path)).status).toBe(404);
  expect((await raw(CANCEL, { method: "PUT" })).status).toBe(405);
});

test("another host than those allowed is refused, so that a page cannot reach it by DNS rebinding", async () => {
  const { dashboard } = scene({ allowedHosts: ["localhost:3000"], basePath: "/" });
  const status = async (url: string) => (await dashboard.fetch(new Request(url))).status;
  expect(await status("http://localhost:3000/api/v1/session")).toBe(200);
  expect(await status("http://evil.example:3000/api/v1/session")).toBe(421);
});

test("no answer allows another origin, a frame, an inline script or a resource from elsewhere", async () => {
  const { raw } = scene();
  for (const path of ["", "main/tasks", "api/v1/session", "healthz", "api/v1/nothing"]) {
    const { headers } = await raw(path, { headers: { origin: "https://evil.example" } });
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    const policy = headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|data:|\*/);
  }
});
