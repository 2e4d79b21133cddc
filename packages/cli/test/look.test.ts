import type { TaskStore } from "@mcp-task-store/core";
import { beforeAll, describe, expect, test } from "vitest";
import { json, mcpTasks } from "./support/cli.ts";
import { places, sqlite } from "./support/places.ts";

/** Five tasks: one completed, one failed, one that asks, one held by a worker, one that waits. */
async function fill(store: TaskStore) {
  const made = async (owner?: string) =>
    (await store.createTask({ name: "render", arguments: { customer: "acme", frames: 3 }, owner })).taskId;
  const completed = await made("alice");
  await store.finishTask(completed, { status: "completed", result: { content: [] } });
  const failed = await made("bob");
  const error = { code: -32603, message: "out of paint" };
  await store.finishTask(failed, { status: "failed", error, statusMessage: "No\u001b[31m paint\nleft" });
  const asking = await made("alice");
  await store.requestInputs(asking, { colour: { method: "elicitation/create", params: { message: "Which colour?" } } });
  const held = await made();
  await store.acquireLease(held, { holder: { worker: "mill" } });
  const { taskId: waiting } = await store.createTask({ name: "index" });
  return { completed, failed, asking, held, waiting };
}

describe.each(places)("$name", ({ use }) => {
  const place = use();
  let ids: Awaited<ReturnType<typeof fill>>;
  beforeAll(async () => {
    ids = await fill(place.store);
  });

  test("list prints tasks as JSON, the newest first, and those of a filter", async () => {
    const [all, failed] = await Promise.all([
      json(["list", ...place.args]),
      json(["list", ...place.args, "--where", "status=failed owner=bob", "-w", "args.customer=acme"]),
    ]);
    expect(all).toMatchObject({ version: 1, command: "list", nextCursor: null });
    expect(all.tasks.map(({ taskId }: { taskId: string }) => taskId)).toEqual([
      ids.waiting,
      ids.held,
      ids.asking,
      ids.failed,
      ids.completed,
    ]);
    expect(failed.tasks).toMatchObject([{ taskId: ids.failed, owner: "bob", status: "failed", name: "render" }]);
    expect(JSON.stringify(all)).not.toMatch(/frames|out of paint/);
  });

  test("show finds a task by the beginning of its id, and hides payloads unless asked", async () => {
    const [hidden, shown] = await Promise.all([
      mcpTasks(["show", ids.failed.slice(0, 12), ...place.args]),
      json(["show", ids.failed, ...place.args, "--payloads"]),
    ]);
    expect(hidden.code).toBe(0);
    expect(hidden.stdout).toContain(ids.failed);
    expect(hidden.stdout).not.toMatch(/acme|out of paint/);
    expect(await json(["show", ids.failed, ...place.args])).not.toHaveProperty("payloads");
    expect(shown.payloads).toMatchObject({
      request: { params: { arguments: { customer: "acme" } } },
      error: { message: "out of paint" },
    });
  });

  test("stats counts tasks by status and name", async () => {
    const stats = await json(["stats", ...place.args]);
    expect(stats).toMatchObject({
      counts: { working: 2, input_required: 1, completed: 1, failed: 1, cancelled: 0 },
      names: { index: { claimable: 1 }, render: { counts: { failed: 1 } } },
      complete: true,
    });
    expect(stats.running).toBe(1);
  });
});

describe("what is printed", () => {
  const place = sqlite.use();
  let ids: Awaited<ReturnType<typeof fill>>;
  beforeAll(async () => {
    ids = await fill(place.store);
  });

  test("a table takes the width of the terminal, and all of what it needs in a pipe", async () => {
    const narrow = await mcpTasks(["list", ...place.args], { env: { COLUMNS: "60" } });
    const lines = narrow.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(6);
    expect(lines.filter((line) => line.length > 60)).toEqual([]);
    expect(lines[0]).toMatch(/^ID .*STATUS .*NAME/);
    const stats = await mcpTasks(["stats", ...place.args], { env: { COLUMNS: "60" } });
    expect(stats.stdout.split("\n").filter((line) => line.length > 60)).toEqual([]);
    // The present minute is at the right end, and is never cut.
    expect(stats.stdout).toMatch(/^hour .* failed {2,}█/m);
    const wide = await mcpTasks(["list", ...place.args]);
    expect(wide.stdout).toContain(ids.held);
    expect(wide.stdout).toMatch(/mill@\S+:\d+/);
  });

  test("text of tasks cannot move the cursor, colour the terminal or end a line", async () => {
    const [list, show] = await Promise.all([
      mcpTasks(["list", ...place.args, "-w", "status=failed"]),
      mcpTasks(["show", ids.failed, ...place.args]),
    ]);
    expect(list.stdout + show.stdout).not.toContain("\u001b");
    expect(list.stdout).toContain("No�[31m paint left\n");
  });

  test("colours are printed if they are asked for, and not with NO_COLOR", async () => {
    const coloured = (args: string[], env: Record<string, string>) =>
      mcpTasks(["list", ...place.args, ...args], { env }).then(({ stdout }) => stdout.includes("\u001b["));
    expect(
      await Promise.all([
        coloured([], {}),
        coloured([], { FORCE_COLOR: "1" }),
        coloured([], { FORCE_COLOR: "1", NO_COLOR: "1" }),
        coloured(["--color"], { NO_COLOR: "1" }),
      ]),
    ).toEqual([false, true, false, true]);
  });

  test("a list ends at its limit and goes on from its cursor", async () => {
    const first = await json(["list", ...place.args, "--limit", "2", "--order", "oldest"]);
    const rest = ["list", ...place.args, "--order", "oldest", "--cursor", first.nextCursor];
    const next = await mcpTasks([...rest, "--all", "--ndjson"]);
    const lines = next.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first.tasks.map(({ taskId }: { taskId: string }) => taskId)).toEqual([ids.completed, ids.failed]);
    expect(lines.map(({ version, task }) => [version, task.taskId])).toEqual([
      [1, ids.asking],
      [1, ids.held],
      [1, ids.waiting],
    ]);
  });

  test("the reader of a pipe may end first", async () => {
    const { store } = place;
    const made = Array.from({ length: 3000 }, () => store.createTask({ name: "flood", owner: "x".repeat(100) }));
    await Promise.all(made);
    const { code, stderr } = await mcpTasks(["list", ...place.args, "--all", "--ndjson"], { closesAfter: 1000 });
    expect({ code, stderr }).toEqual({ code: 141, stderr: "" });
  });

  test("wrong usage is one line and exit code 2, and a failure exit code 1", async () => {
    const wrong = await Promise.all(
      [
        [],
        ["lst"],
        ["list", "--limt", "3"],
        ["list", ...place.args, "--limit", "0"],
        ["list", ...place.args, "--cursor", "page-2"],
        ["list", ...place.args, "--order", "random"],
        ["list", ...place.args, "--where", "colour=red"],
        ["list", ...place.args, "--where", "status=ready"],
        ["show", ...place.args],
      ].map((args) => mcpTasks(args)),
    );
    expect(wrong.map(({ code }) => code)).toEqual(wrong.map(() => 2));
    for (const { stderr } of wrong.slice(1)) expect(stderr).toMatch(/^mcp-tasks: [^\n]+\n$/);
    const missing = await mcpTasks(["show", "0000000", ...place.args]);
    expect(missing).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^mcp-tasks: [^\n]+\n$/) });
  });
});
