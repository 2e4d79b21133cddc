import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLIENTS, type PlainClient } from "./support/plain-clients.ts";
import { PLAIN_STDIO_SERVER, servePlain } from "./support/plain-server.ts";

// Clients of other libraries, which know no tasks. A model's host reads only the text of an answer.

const NEXT = /Call task_result with (\{.*?\})/;

const cases = CLIENTS.flatMap((each) => (["HTTP", "stdio"] as const).map((over) => ({ ...each, over })));

describe.each(cases)("$name over $over", ({ connect, over }) => {
  let server: Awaited<ReturnType<typeof servePlain>> | undefined;
  let client: PlainClient;

  beforeAll(async () => {
    server = over === "HTTP" ? await servePlain() : undefined;
    client = await connect(server ?? { file: PLAIN_STDIO_SERVER });
    // Some clients read there which tools need a task.
    expect(await client.tools()).toEqual(
      expect.arrayContaining(["render", "task_status", "task_result", "task_cancel", "task_answer"]),
    );
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** The arguments that the answer names for the next call. */
  async function start(name: string, args = {}): Promise<{ taskId: string }> {
    const said = await client.call(name, args);
    const next = NEXT.exec(said)?.[1];
    if (next === undefined) throw new Error(`No call is named: ${said}`);
    return JSON.parse(next);
  }

  test("a required task is made, and its result fetched with the call that the answer names", async () => {
    expect(await client.call("task_result", await start("render", { frames: 3 }))).toContain("3 frames");
  });

  test("a question reaches the model, and its answer the task", async () => {
    const { taskId } = await start("paint");
    expect(await client.call("task_result", { taskId })).toMatch(
      /Which colour\?.*"key":"colour"|"key":"colour".*Which/,
    );
    await client.call("task_answer", { taskId, content: { colour: "blue" } });
    expect(await client.call("task_result", { taskId })).toContain("painted blue");
  });

  test("a task is followed and cancelled, and an unknown one is an error with a sentence", async () => {
    const { taskId } = await start("endless");
    expect(await client.call("task_status", { taskId, waitMs: 1 })).toContain("is still working");
    expect(await client.call("task_cancel", { taskId })).toContain("was cancelled");
    await expect(client.call("task_result", { taskId })).rejects.toThrow("was cancelled and has no result");
    await expect(client.call("task_status", { taskId: "unknown" })).rejects.toThrow("no task with this taskId");
  });

  test("a tool may answer inline, and by default it refuses", async () => {
    expect(await client.call("inline", { frames: 4 })).toContain("4");
    await expect(client.call("refused", {})).rejects.toThrow(/task/i);
  });
});
