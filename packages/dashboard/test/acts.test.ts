import type { BulkLine, TasksAnswer } from "@mcp-task-store/dashboard";
import { describe, expect, test } from "vitest";
import { linesOf, posted, type Scene, scene } from "./support.ts";

const result = { content: [{ type: "text", text: "done" }] };

describe("Acts on a task", () => {
  test("each is done between two entries for onAudit, which say who and what", async () => {
    const { store, post, audit } = scene();
    const { taskId } = await store.createTask({ name: "render", arguments: { frames: 1 } });
    await store.acquireLease(taskId);
    await post(`stores/main/tasks/${taskId}/requeue`, {});
    await post(`stores/main/tasks/${taskId}/cancel`, { statusMessage: "Not needed" });
    expect(await store.getTask(taskId)).toMatchObject({ status: "cancelled", statusMessage: "Not needed" });
    const again = await post<{ taskId: string }>(`stores/main/tasks/${taskId}/rerun`, { arguments: { frames: 2 } });
    expect(await store.getRecord(again.taskId)).toMatchObject({ request: { params: { arguments: { frames: 2 } } } });
    await post(`stores/main/tasks/${taskId}/remove`, {});
    expect(await store.getTask(taskId)).toBeNull();
    await post("stores/main/pauses", { name: "render", paused: true });
    expect(await store.operations.pausedNames()).toEqual(["render"]);
    await post("stores/main/pauses", { name: "render", paused: false });
    expect(await store.operations.pausedNames()).toEqual([]);

    expect(audit.map(({ action, state }) => `${action} ${state}`)).toEqual(
      ["requeue", "cancel", "rerun", "remove", "pause", "pause"].flatMap((act) => [`${act} started`, `${act} done`]),
    );
    expect(audit[0]).toMatchObject({ user: "ada", store: "main", taskId, id: audit[1]?.id, at: expect.any(String) });
    expect(audit.at(-1)).toMatchObject({ name: "render", details: { paused: false } });
  });

  test("what the store refuses is told with its code, to the caller and to onAudit", async () => {
    const { store, raw, audit } = scene();
    const { taskId } = await store.createTask({ name: "render" });
    const act = (name: string) => raw(`api/v1/stores/main/tasks/${taskId}/${name}`, posted({}));
    expect((await act("remove")).status).toBe(409);
    await store.cancelTask(taskId);
    const response = await act("cancel");
    expect([response.status, await response.json()]).toMatchObject([409, { error: { code: "TASK_TERMINAL" } }]);
    expect(audit.at(-1)).toMatchObject({ state: "failed", error: "TASK_TERMINAL" });
    const unknown = await raw("api/v1/stores/main/tasks/none/cancel", posted({}));
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: "TASK_NOT_FOUND" } }]);
  });

  test("nothing is done that onAudit could not write down", async () => {
    const { store, raw } = scene({ onAudit: () => Promise.reject(new Error("disk full")), onError: () => undefined });
    const { taskId } = await store.createTask({ name: "render" });
    expect((await raw(`api/v1/stores/main/tasks/${taskId}/cancel`, posted({}))).status).toBe(500);
    expect(await store.getTask(taskId)).toMatchObject({ status: "working" });
  });

  test("a removal takes no task whose id only begins like it", async () => {
    const { store, post } = scene();
    for (const taskId of ["a", "ab"]) {
      await store.createTask({ name: "render", taskId });
      await store.cancelTask(taskId);
    }
    await post("stores/main/tasks/a/remove", {});
    expect(await Promise.all(["a", "ab"].map((id) => store.getTask(id)))).toMatchObject([null, { taskId: "ab" }]);
  });

  test.each([
    ["cancel", { statusMessage: 5 }],
    ["cancel", { reason: "" }],
    ["rerun", { arguments: [] }],
    ["answer", { key: "sure" }],
  ])("%s with %o is refused", async (act, body) => {
    const { store, raw } = scene();
    const { taskId } = await store.createTask({ name: "render" });
    expect((await raw(`api/v1/stores/main/tasks/${taskId}/${act}`, posted(body))).status).toBe(400);
  });

  test("a body that is no JSON object or too large is refused", async () => {
    const { raw } = scene();
    const send = async (body: string) => (await raw("api/v1/stores/main/pauses", { ...posted({}), body })).status;
    expect(await send("[]")).toBe(400);
    expect(await send("{")).toBe(400);
    expect(await send(JSON.stringify({ name: "x".repeat(1_100_000), paused: true }))).toBe(413);
  });
});

describe("An answer to a question", () => {
  const properties = {
    name: { type: "string", minLength: 2, title: "Your name" },
    count: { type: "integer", minimum: 1, maximum: 9 },
    mail: { type: "string", format: "email" },
    sure: { type: "boolean" },
    size: { type: "string", enum: ["s", "m"] },
    parts: { type: "array", items: { type: "string", enum: ["sky", "sea"] }, minItems: 1 },
  };
  const requestedSchema = { type: "object", properties, required: ["name", "sure"] };
  const form = { method: "elicitation/create", params: { mode: "form", message: "Who?", requestedSchema } };

  async function asked(): Promise<Scene & { taskId: string }> {
    const here = scene();
    const { taskId } = await here.store.createTask({ name: "render" });
    await here.store.requestInputs(taskId, { who: form });
    return { ...here, taskId };
  }

  test("reaches the runner as a requestor's would", async () => {
    const { store, taskId, post } = await asked();
    const content = { name: "Ada", sure: true, count: 3, mail: "a@b.example", size: "m", parts: ["sky"] };
    const response = { action: "accept", content };
    await post(`stores/main/tasks/${taskId}/answer`, { key: "who", response });
    expect(await store.awaitInput(taskId, "who")).toEqual(response);
    expect(await store.getTask(taskId)).toMatchObject({ status: "working" });
  });

  const right = { name: "Ada", sure: true };
  test.each<[string, unknown]>([
    ["Your name is missing", { action: "accept", content: { sure: true } }],
    ["Your name is too short", { action: "accept", content: { ...right, name: "A" } }],
    ["count must be a whole number", { action: "accept", content: { ...right, count: 1.5 } }],
    ["count is too small", { action: "accept", content: { ...right, count: 10 } }],
    ["mail must be a email", { action: "accept", content: { ...right, mail: "x" } }],
    ["sure must be true or false", { action: "accept", content: { ...right, sure: "yes" } }],
    ["size must be one of", { action: "accept", content: { ...right, size: "l" } }],
    ["parts must be some of", { action: "accept", content: { ...right, parts: ["mud"] } }],
    ["parts has too few", { action: "accept", content: { ...right, parts: [] } }],
    ['no field "__proto__"', { action: "accept", content: JSON.parse('{"name":"Ada","sure":true,"__proto__":1}') }],
    ["action must be", { action: "perhaps" }],
    ["content must be", { action: "accept" }],
    ["it must be a JSON object", "yes"],
  ])("that does not fit is refused: %s", async (words, response) => {
    const { store, taskId, raw } = await asked();
    const answer = await raw(`api/v1/stores/main/tasks/${taskId}/answer`, posted({ key: "who", response }));
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining(JSON.stringify(words).slice(1, -1)),
    ]);
    expect(await store.getTask(taskId)).toMatchObject({ status: "input_required" });
  });

  test("under another key is refused", async () => {
    const { taskId, raw } = await asked();
    for (const key of ["whom", "__proto__", "constructor"]) {
      const answer = posted({ key, response: { action: "decline" } });
      expect((await raw(`api/v1/stores/main/tasks/${taskId}/answer`, answer)).status, key).toBe(400);
    }
  });
});

describe("Acts on everything that matches", () => {
  async function bulk({ raw }: Scene, action: string, body: object): Promise<BulkLine[]> {
    return linesOf(await raw(`api/v1/stores/main/bulk/${action}`, posted(body)));
  }

  test("a dry run counts, changes nothing, and is no act", async () => {
    const here = scene();
    for (const name of ["a", "a", "b"]) await here.store.createTask({ name });
    const lines = await bulk(here, "cancel", { q: "name=a", dryRun: true });
    expect(lines).toEqual([{ outcome: { done: 2, skipped: {}, scanned: expect.any(Number) }, dryRun: true }]);
    expect(here.audit).toEqual([]);
    expect(await here.store.operations.stats()).toMatchObject({ counts: { working: 3 } });
  });

  test("cancel, run again and remove do so, once, and say how many", async () => {
    const here = scene();
    const { store } = here;
    for (const name of ["a", "a", "b"]) await store.createTask({ name });
    expect(await bulk(here, "cancel", { q: "name=a", dryRun: false, statusMessage: "Stop" })).toMatchObject([
      { outcome: { done: 2 }, dryRun: false },
    ]);
    expect(here.audit.at(-1)).toMatchObject({ state: "done", filter: "name=a", outcome: { done: 2 } });
    expect(await bulk(here, "rerun", { q: "name=a", dryRun: false })).toMatchObject([{ outcome: { done: 2 } }]);
    const again = await bulk(here, "rerun", { q: "status=ended", dryRun: false });
    expect(again).toMatchObject([{ outcome: { done: 0, skipped: { changed: 2 } } }]);
    expect(await bulk(here, "remove", { q: "", dryRun: false })).toMatchObject([
      { outcome: { done: 2, skipped: { active: 3 } } },
    ]);
    const { tasks } = await here.get<TasksAnswer>("stores/main/tasks?order=oldest");
    expect(tasks.map(({ name, status }) => [name, status])).toEqual([
      ["b", "working"],
      ["a", "working"],
      ["a", "working"],
    ]);
  });

  test("tasks that are made after the act began are not taken", async () => {
    const here = scene();
    const { operations } = here.store;
    for (let index = 0; index < 50; index += 1) await here.store.createTask({ name: "a" });
    await operations.cancelTasks({});
    const rerunTask = operations.rerunTask.bind(operations);
    const begun = Date.now();
    Object.assign(operations, {
      async rerunTask(taskId: string) {
        // The new tasks are of a later millisecond than the act.
        while (Date.now() < begun + 20) await new Promise((resolve) => setImmediate(resolve));
        return rerunTask(taskId);
      },
    });
    expect(await bulk(here, "rerun", { q: "", dryRun: false })).toEqual([
      { outcome: { done: 50, skipped: {}, scanned: expect.any(Number) }, dryRun: false },
    ]);
    const [line] = await bulk(here, "rerun", { q: "", dryRun: true });
    expect(line).toMatchObject({ outcome: { done: 0, skipped: { changed: 50, active: 50 } } });
  });

  test.each([{ q: "" }, { dryRun: true }, { q: "", dryRun: "no" }, { q: "nonsense=1", dryRun: true }])(
    "%o is refused",
    async (body) => {
      const { raw } = scene();
      expect((await raw("api/v1/stores/main/bulk/cancel", posted(body))).status).toBe(400);
    },
  );

  test("the work ends when its caller goes away", async () => {
    const here = scene();
    for (let index = 0; index < 5; index += 1) await here.store.createTask({ name: "a" });
    const caller = new AbortController();
    const init = { ...posted({ q: "", dryRun: false }), signal: caller.signal };
    const audited: string[] = [];
    caller.abort();
    const response = await here.raw("api/v1/stores/main/bulk/cancel", init);
    for (const line of await linesOf<BulkLine>(response)) if ("error" in line) audited.push(line.error.code);
    expect(audited).toEqual(["STOPPED"]);
    expect(here.audit.at(-1)).toMatchObject({ state: "failed", error: "STOPPED" });
    expect(await here.store.operations.stats()).toMatchObject({ counts: { working: 5 } });
  });

  test("close ends the work, and waits for it", async () => {
    const here = scene();
    for (let index = 0; index < 500; index += 1) await here.store.createTask({ name: "a" });
    const reader = (
      await here.raw("api/v1/stores/main/bulk/cancel", posted({ q: "", dryRun: false }))
    ).body?.getReader();
    await expect.poll(() => here.audit.length).toBe(1);
    await here.dashboard.close();
    expect(here.audit.at(-1)).toMatchObject({ state: "failed", error: "STOPPED" });
    await reader?.cancel();
  });

  test("the work ends when the answer is no longer read", async () => {
    const here = scene();
    for (let index = 0; index < 500; index += 1) await here.store.createTask({ name: "a" });
    const response = await here.raw("api/v1/stores/main/bulk/cancel", posted({ q: "", dryRun: false }));
    await response.body?.cancel();
    await expect.poll(() => here.audit.at(-1)).toMatchObject({ state: "failed", error: "STOPPED" });
    expect((await here.store.operations.stats()).counts.working).toBeGreaterThan(0);
  });

  test("a failure in the middle is the last line", async () => {
    const here = scene({ onError: () => undefined });
    await here.store.finishTask((await here.store.createTask({ name: "a" })).taskId, { status: "completed", result });
    Object.assign(here.store.operations, { removeTasks: () => Promise.reject(new Error("hunter2")) });
    expect(await bulk(here, "remove", { q: "", dryRun: false })).toEqual([
      { error: { code: "FAILED", message: "The request failed" } },
    ]);
  });
});
