import { type Access, createDashboard, type SessionAnswer, type TasksAnswer } from "@mcp-task-store/dashboard";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { describe, expect, test } from "vitest";
import { posted, scene } from "./support.ts";

const everywhere = [
  "",
  "main/tasks",
  "assets/none.js",
  "api/v1/session",
  "api/v1/stores/main/tasks",
  "api/v1/stores/main/stats",
  "api/v1/stores/main/events",
];

describe("Without access", () => {
  test.each<[string, () => Access]>([
    ["nothing", () => undefined],
    ["null", () => null],
    ["false", () => false],
    ["a word that is no grant", () => "everything" as never],
    ["a grant without may", () => ({ user: "eve" }) as never],
    ["a grant for no owner", () => ({ may: "all", owners: [] })],
    ["true", () => true as never],
  ])("nothing is shown where access returns %s", async (_, access) => {
    const { raw } = scene({ access });
    for (const path of everywhere) expect((await raw(path)).status, path).toBe(403);
    expect((await raw("api/v1/stores/main/bulk/cancel", posted({ q: "", dryRun: false }))).status).toBe(403);
  });

  test("nothing is shown where access throws, and its message stays on the server", async () => {
    const errors: unknown[] = [];
    const failure = new Error("no such key: hunter2");
    const { raw } = scene({ access: () => Promise.reject(failure), onError: (error) => void errors.push(error) });
    const response = await raw("api/v1/session");
    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining("hunter2")]);
    expect(errors).toEqual([failure]);
  });

  test("a response of access is sent as it is", async () => {
    const { raw } = scene({ access: () => new Response(null, { status: 302, headers: { location: "/login" } }) });
    expect((await raw("main/tasks")).headers.get("location")).toBe("/login");
  });

  test("metrics are for visitors of every owner, in Prometheus' format", async () => {
    const { store, raw } = scene({ access: () => "read-only" });
    await store.createTask({ name: "render", owner: "alice" });
    const answer = await raw("metrics");
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    expect(text).toMatch(/^# HELP /m);
    expect(text).toMatch(/render.* 1$/m);
    expect(text).not.toContain("alice");
    expect((await scene({ access: () => null }).raw("metrics")).status).toBe(403);
    const some = scene({ access: () => ({ may: "read-only", owners: ["alice"] }) });
    expect((await some.raw("metrics")).status).toBe(403);
  });

  test("health is answered", async () => {
    const { raw } = scene({ access: () => null });
    expect(await (await raw("healthz")).json()).toEqual({ ok: true });
    expect(await (await raw("readyz")).json()).toEqual({ ready: true });
  });
});

test("without the option access, no dashboard is made", () => {
  const store = new MemoryTaskStore();
  // @ts-expect-error: access is missing.
  expect(() => createDashboard({ stores: { main: store } })).toThrow("access must be a function");
  expect(() => createDashboard({ stores: {}, access: () => "all" })).toThrow("at least one store");
  // @ts-expect-error: there is no such option.
  expect(() => createDashboard({ stores: { main: store }, access: () => "all", path: "/" })).toThrow("path");
});

describe("A visitor who may only look", () => {
  test("reads everything and does nothing, and each try is told to onAudit", async () => {
    const { store, raw, get, audit } = scene({ access: () => ({ may: "read-only", user: "eve" }) });
    const { taskId } = await store.createTask({ name: "render" });
    expect(await get<SessionAnswer>("session")).toMatchObject({ user: "eve", actions: [], payloads: true });
    expect((await get<TasksAnswer>("stores/main/tasks")).tasks).toHaveLength(1);
    const acts: [string, unknown][] = [
      [`tasks/${taskId}/cancel`, {}],
      [`tasks/${taskId}/requeue`, {}],
      [`tasks/${taskId}/rerun`, {}],
      [`tasks/${taskId}/remove`, {}],
      [`tasks/${taskId}/answer`, { key: "a", response: {} }],
      ["bulk/cancel", { q: "", dryRun: false }],
      ["bulk/remove", { q: "", dryRun: true }],
      ["bulk/rerun", { q: "", dryRun: false }],
      ["pauses", { name: "render", paused: true }],
    ];
    for (const [path, body] of acts)
      expect((await raw(`api/v1/stores/main/${path}`, posted(body))).status, path).toBe(403);
    expect(audit.map(({ state, user }) => [state, user])).toEqual(acts.map(() => ["refused", "eve"]));
    expect(await store.getTask(taskId)).toMatchObject({ status: "working" });
    expect(await store.operations.pausedNames()).toEqual([]);
  });

  test("a list of acts allows these and no other", async () => {
    const { store, raw, post } = scene({ access: () => ["cancel"] });
    const { taskId } = await store.createTask({ name: "render" });
    expect((await raw("api/v1/stores/main/pauses", posted({ name: "a", paused: true }))).status).toBe(403);
    expect(await post(`stores/main/tasks/${taskId}/cancel`, {})).toEqual({ taskId, status: "cancelled" });
  });
});

describe("A visitor who sees one owner", () => {
  const access = () => ({ may: "all", owners: ["alice"] }) as const;

  test("finds, counts and changes nothing of another", async () => {
    const { store, raw, get, post } = scene({ access });
    const mine = await store.createTask({ name: "render", owner: "alice" });
    const others = await store.createTask({ name: "secret", owner: "bob" });
    await store.createTask({ name: "render" });
    await store.operations.pauseClaims("secret");
    for (const q of ["", "owner=alice", "owner=alice,bob"]) {
      const { tasks } = await get<TasksAnswer>(`stores/main/tasks?q=${q}`);
      expect(
        tasks.map(({ taskId }) => taskId),
        q,
      ).toEqual([mine.taskId]);
    }
    for (const q of ["owner=bob", "unowned"])
      expect((await get<TasksAnswer>(`stores/main/tasks?q=${q}`)).tasks, q).toEqual([]);
    const stats = await get<{ counts: object; names: object; owners: object }>("stores/main/stats");
    expect(stats).toMatchObject({ counts: { working: 1 }, owners: { alice: { working: 1 } } });
    expect([Object.keys(stats.names), Object.keys(stats.owners)]).toEqual([["render"], ["alice"]]);
    for (const path of ["", "/payloads"])
      expect((await raw(`api/v1/stores/main/tasks/${others.taskId}${path}`)).status).toBe(404);
    expect((await raw(`api/v1/stores/main/events?task=${others.taskId}`)).status).toBe(404);
    for (const act of ["cancel", "requeue", "rerun", "remove"])
      expect((await raw(`api/v1/stores/main/tasks/${others.taskId}/${act}`, posted({}))).status, act).toBe(404);
    expect((await raw("api/v1/stores/main/pauses", posted({ name: "render", paused: true }))).status).toBe(403);
    const lines = await (await raw("api/v1/stores/main/bulk/cancel", posted({ q: "", dryRun: false }))).text();
    expect(JSON.parse(lines)).toMatchObject({ outcome: { done: 1 } });
    expect(await store.operations.stats()).toMatchObject({ counts: { working: 2, cancelled: 1 } });
    expect(await post(`stores/main/tasks/${mine.taskId}/rerun`, {})).toMatchObject({ rerunOf: mine.taskId });
  });
});

test("a visitor without payloads reads none, searches in none, and answers no question", async () => {
  const { store, raw, get } = scene({ access: () => ({ may: "all", payloads: false }) });
  const { taskId } = await store.createTask({ name: "render", arguments: { pin: 1234 } });
  await store.requestInputs(taskId, { why: { method: "elicitation/create", params: { message: "pin?" } } });
  expect(await get(`stores/main/tasks/${taskId}`)).toMatchObject({ status: "input_required", questions: {} });
  expect((await raw(`api/v1/stores/main/tasks/${taskId}/payloads`)).status).toBe(403);
  expect((await raw("api/v1/stores/main/tasks?q=args.pin=1234")).status).toBe(403);
  const answer = posted({ key: "why", response: { action: "decline" } });
  expect((await raw(`api/v1/stores/main/tasks/${taskId}/answer`, answer)).status).toBe(403);
});
