import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ANY_OWNER, type TaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { json, mcpTasks } from "./support/cli.ts";
import { codecFile, codecOf } from "./support/codecs.ts";
import { type Place, places, sqlite } from "./support/places.ts";

let folder: string;
let both: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-rotate-"));
  both = await codecFile(folder, ["old", "new"]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const TASKS = 120;

function opened(place: Place, options: TaskStoreOptions): TaskStore {
  const store = place.open(options);
  onTestFinished(() => store.close());
  return store;
}

/** Writes to tasks until it is stopped, and knows what it wrote last. */
function writing(store: TaskStore, taskIds: readonly string[]) {
  const last = new Map<string, number>();
  let stopped = false;
  const done = (async () => {
    for (let round = 1; !stopped; round += 1) {
      for (const taskId of taskIds) {
        const change = { statusMessage: `round ${round}`, checkpoint: { round } };
        await store.updateTask(taskId, change, { owner: ANY_OWNER });
        last.set(taskId, round);
        if (stopped) return;
      }
    }
  })();
  return {
    async stop() {
      stopped = true;
      await done;
      return last;
    },
  };
}

describe.each(places)("rotate, on $name", (kind) => {
  const place = kind.use();

  test("encrypts by the new key while others write, also after it was killed", { timeout: 120_000 }, async () => {
    const old = opened(place, { codec: codecOf(["old"]) });
    const ids: string[] = [];
    for (let index = 0; index < TASKS; index += 1) {
      // A part of the tasks is from before there was a codec.
      const store = index % 4 === 0 ? place.store : old;
      const { taskId } = await store.createTask({ name: "render", arguments: { index }, owner: "alice" });
      if (index % 3 === 0)
        await store.finishTask(taskId, { status: "completed", result: { index, pad: "x".repeat(2000) } });
      else if (index % 3 === 1) await store.updateTask(taskId, { statusMessage: `at ${index}`, checkpoint: { index } });
      ids.push(taskId);
    }
    const args = ["rotate", ...place.args];
    const dry = await json([...args, "--codec", both, "--dry-run"]);
    expect(dry).toMatchObject({ dryRun: true, tasks: TASKS, current: 0, unreadable: 0, changed: 0, events: 0 });
    expect(dry.rotated).toBeGreaterThan(TASKS);

    const written = ids.filter((_, index) => index % 3 === 2);
    const writer = writing(opened(place, { codec: codecOf(["old", "new"]) }), written);
    const dying = await codecFile(folder, ["old", "new"], { signal: "SIGKILL", after: Math.floor(dry.rotated / 2) });
    expect((await mcpTasks([...args, "--codec", dying])).code).toBe(null);
    const again = await json([...args, "--codec", both]);
    expect(again).toMatchObject({ dryRun: false, tasks: TASKS, unreadable: 0, changed: 0 });
    expect(again.current).toBeGreaterThan(dry.rotated / 4);
    expect(again.rotated).toBeGreaterThan(dry.rotated / 4);
    const last = await writer.stop();
    expect(await json([...args, "--codec", both])).toMatchObject({ rotated: 0, unreadable: 0 });

    // Without the old key, everything is as it was written last.
    const reader = opened(place, { codec: codecOf(["new"]) });
    for (const [index, taskId] of ids.entries()) {
      const record = await reader.getRecord(taskId, { owner: "alice" });
      expect(record?.request.params).toMatchObject({ arguments: { index } });
      if (index % 3 === 0) expect(record?.result).toMatchObject({ index });
      else if (index % 3 === 1) expect(record?.checkpoint).toEqual({ index });
      else {
        const round = last.get(taskId);
        expect(record?.checkpoint).toEqual({ round });
        expect(record?.task.statusMessage).toBe(`round ${round}`);
      }
    }
  });
});

describe("on SQLite", () => {
  const [place, second] = [sqlite.use(), sqlite.use()];
  let secret: string;
  beforeAll(async () => {
    const store = place.open({ codec: codecOf(["old"]) });
    for (let index = 0; index < 50; index += 1)
      await store.createTask({ name: "render", arguments: { word: "hunter2" }, owner: "alice" });
    secret = (await store.createTask({ name: "sync", arguments: { word: "hunter2" }, owner: "bob" })).taskId;
    await store.updateTask(secret, { statusMessage: "hunter2", checkpoint: "hunter2" }, { owner: ANY_OWNER });
    await store.requestInputs(secret, { word: { method: "elicitation/create", params: { message: "hunter2" } } });
    const done = await store.createTask({ name: "done" });
    await store.finishTask(done.taskId, { status: "completed", result: {} });
    await store.close();
  });

  test("without keys, every command works and shows no payload", async () => {
    const run = (...args: string[]) => mcpTasks([...args, ...place.args]);
    const shown = await Promise.all([
      run("list"),
      run("list", "--where", "args.word=hunter2"),
      run("show", secret, "--payloads"),
      run("show", secret, "--payloads", "--json"),
      run("stats"),
      run("top", "--count", "1"),
    ]);
    for (const { code, stdout, stderr } of shown) {
      expect(code, stderr).toBe(0);
      expect(stdout).not.toMatch(/hunter2|~aes-gcm/);
    }
    const [list, found, short, payloads] = shown.map(({ stdout }) => stdout);
    expect(list).toContain("(This text cannot be read here.)");
    expect(found).toBe("");
    expect(short).toMatch(/encrypted +request.*, inputRequests, checkpoint: --codec has the keys/);
    const { task, payloads: none } = JSON.parse(payloads ?? "");
    expect(task).toMatchObject({ status: "input_required", questions: [] });
    expect(task.unreadable).toEqual(expect.arrayContaining(["request", "inputRequests", "checkpoint"]));
    expect(none).toMatchObject({ request: null, inputRequests: {}, checkpoint: null });
  });

  test("without keys, commands that need a payload say so on one line", async () => {
    const file = join(folder, "tasks.ndjson");
    for (const args of [
      ["export", file],
      ["answer", secret, "--decline"],
    ]) {
      const { code, stderr } = await mcpTasks([...args, ...place.args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^mcp-tasks: [^\n]*--codec with the keys[^\n]*\n$/);
    }
    // A cancel needs no key. Its message is plain, and a store with keys reads it.
    const store = opened(place, { codec: codecOf(["old"]) });
    const { taskId } = await store.createTask({ name: "cancelled" });
    expect(await mcpTasks(["cancel", taskId, ...place.args])).toMatchObject({ code: 0 });
    expect(await store.getTask(taskId)).toMatchObject({ statusMessage: "The task was cancelled." });
    await store.operations.removeTasks({ id: taskId });
    const rotated = await mcpTasks(["rotate", ...place.args]);
    expect(rotated).toMatchObject({ code: 2, stderr: expect.stringContaining("--codec") });
  });

  test("with the keys of the configuration, payloads are shown, found and exported", async () => {
    await codecFile(folder, ["old"]);
    await writeFile(join(folder, "mcp-tasks.json"), JSON.stringify({ store: place.url, codec: "./old-.mjs" }));
    const inFolder = { cwd: folder };
    expect(await json(["show", secret, "--payloads"], inFolder)).toMatchObject({
      task: { statusMessage: "hunter2", questions: [{ key: "word" }], unreadable: [] },
      payloads: { request: { params: { arguments: { word: "hunter2" } } }, checkpoint: "hunter2" },
    });
    expect((await json(["list", "--where", "args.word=hunter2 name=sync"], inFolder)).tasks).toHaveLength(1);
    expect(await json(["export", "all.ndjson"], inFolder)).toMatchObject({ exported: 52 });
    expect(await readFile(join(folder, "all.ndjson"), "utf8")).toContain("hunter2");
    // A copy encrypts, and does not decrypt by accident.
    expect(await json(["copy", "--to", second.url], inFolder)).toMatchObject({ copied: 1, left: 51 });
    const [copy] = (await second.store.operations.listRecords({ fields: ["request"] })).records;
    expect(copy?.unreadable).toEqual(["request"]);
    const copied = await mcpTasks(["copy", "--to", join(folder, "2.db"), ...place.args, "--codec", both], { cwd: "/" });
    expect(copied).toMatchObject({ code: 2, stderr: expect.stringContaining("--to-codec") });
    // --codec none undoes it.
    expect((await json(["show", secret, "--codec", "none"], inFolder)).task.unreadable).toEqual(["inputRequests"]);
  });

  test("a rotation that is interrupted says where it goes on", async () => {
    const stopping = await codecFile(folder, ["old", "new"], { signal: "SIGINT", after: 25 });
    const { code, stderr } = await mcpTasks(["rotate", ...place.args, "--codec", stopping]);
    expect(code).toBe(130);
    const [, cursor = ""] = /^go on with --cursor (\S+)$/m.exec(stderr) ?? [];
    const rest = await json(["rotate", ...place.args, "--codec", both, "--cursor", cursor]);
    expect(rest.tasks).toBeLessThan(52);
    expect(await json(["rotate", ...place.args, "--codec", both])).toMatchObject({
      tasks: 52,
      rotated: 0,
      unreadable: 0,
    });
  });

  test("what lacks a key is counted, and the command fails", async () => {
    const other = await codecFile(folder, ["other"]);
    const { code, stderr } = await mcpTasks(["rotate", ...place.args, "--codec", other]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/left 56 payloads as they are\. [^\n]*no key "new"/);
  });

  test("an export that lacks a key names a task, and leaves no file in the way of the next one", async () => {
    const file = join(folder, "tasks.ndjson");
    const { code, stderr } = await mcpTasks(["export", file, ...place.args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/task [0-9a-f]{32}: [^\n]*: give --codec with the keys/);
    expect((await mcpTasks(["export", file, ...place.args, "--codec", both])).code).toBe(0);
  });

  test("a codec that is none is wrong usage", async () => {
    const none = join(folder, "none.mjs");
    await writeFile(none, "export const codec = {};");
    expect(await mcpTasks(["list", ...place.args, "--codec", none])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^mcp-tasks: the codec [^\n]+\n$/),
    });
  });
});
