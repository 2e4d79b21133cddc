// The command line has no keys, so it shows of encrypted tasks what is readable.

import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { testCodec } from "../../../tooling/coded.ts";
import { json, mcpTasks } from "./support/cli.ts";
import { sqlite } from "./support/places.ts";

describe("encrypted tasks", () => {
  const place = sqlite.use();

  test("are listed, shown and cancelled without keys, and payloads are refused with a clear message", async () => {
    const store = new SqliteTaskStore({ path: place.url, codec: testCodec(), sweepIntervalMs: false });
    onTestFinished(() => store.close());
    const { taskId } = await store.createTask({ name: "render", owner: "alice", arguments: { word: "hunter2" } });
    await store.requestInputs(taskId, { sure: { method: "elicitation/create", params: {} } }, { owner: "alice" });
    await store.updateTask(taskId, { statusMessage: "drawing" }, { owner: "alice" });

    const [list, shown, text, exported, answered] = await Promise.all([
      json(["list", ...place.args, "--where", "owner=alice"]),
      json(["show", taskId, ...place.args, "--payloads"]),
      mcpTasks(["show", taskId, ...place.args]),
      mcpTasks(["export", ...place.args]),
      mcpTasks(["answer", taskId, ...place.args, "--decline"]),
    ]);
    const statusMessage = "(This text cannot be read here.)";
    expect(list.tasks).toMatchObject([{ taskId, name: "render", owner: "alice", statusMessage }]);
    expect(shown).toMatchObject({
      task: { taskId, status: "input_required", questions: [] },
      payloads: { request: null },
    });
    expect(shown.unreadable).toEqual(expect.arrayContaining(["request", "inputRequests"]));
    expect(text.stdout).toMatch(/unreadable +inputRequests: this program has no key/);
    expect(exported).toMatchObject({ code: 1, stderr: expect.stringMatching(/cannot be read/) });
    expect(answered).toMatchObject({ code: 1, stderr: expect.stringMatching(/cannot be read here/) });

    const cancelled = await mcpTasks(["cancel", taskId, ...place.args, "--yes"]);
    expect(cancelled).toMatchObject({ code: 0 });
    // A message that was written without the codec is plain, and a store with the codec reads it.
    expect(await store.getTask(taskId)).toMatchObject({ statusMessage: "The task was cancelled." });
  });
});
