import { describe, expect, test } from "vitest";
import { json, mcpTasks, start } from "./support/cli.ts";
import { places, sqlite } from "./support/places.ts";

describe.each(places)("$name", ({ use }) => {
  const place = use();

  test("watch follows a task to its end, and its exit code says how it ended", async () => {
    const { taskId } = await place.store.createTask({ name: "render" });
    const watch = start(["watch", taskId, ...place.args, "--json", "--payloads"]);
    await watch.output((text) => text.includes('"working"'));
    await place.store.updateTask(taskId, { statusMessage: "half" });
    await watch.output((text) => text.includes("half"));
    await place.store.finishTask(taskId, { status: "completed", result: { content: ["done"] } });
    const { code, stdout } = await watch.ended;
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ version, task }) => [version, task.taskId, task.status])).toEqual([
      [1, taskId, "working"],
      [1, taskId, "working"],
      [1, taskId, "completed"],
    ]);
    expect(lines.at(-1).payloads.result).toEqual({ content: ["done"] });
    expect(lines[0]).not.toHaveProperty("payloads");
  });

  test("watch without an id follows all tasks, until it is interrupted", async () => {
    const watch = start(["watch", ...place.args, "--json", "--name", "followed"]);
    await watch.output((_, stderr) => stderr.includes("following"));
    const first = await place.store.createTask({ name: "followed", owner: "alice" });
    await watch.output((text) => text.includes(first.taskId));
    await place.store.createTask({ name: "other" });
    const { taskId } = await place.store.createTask({ name: "followed" });
    const stdout = await watch.output((text) => text.includes(taskId));
    watch.kill("SIGINT");
    expect((await watch.ended).code).toBe(130);
    const [line = ""] = stdout.split("\n");
    expect(JSON.parse(line).task).toMatchObject({ name: "followed", owner: "alice", status: "working" });
    expect(stdout).not.toContain("other");
  });
});

describe("how a watch ends", () => {
  const place = sqlite.use();
  const made = async (ttl?: number) => (await place.store.createTask({ name: "render", ttl })).taskId;

  test("with the task's end, with its expiry, or with the time", async () => {
    const expired = start(["watch", await made(5000), ...place.args]);
    await expired.output((text) => text.includes("working"));
    const [failed, cancelled, working] = await Promise.all([made(), made(), made()]);
    await place.store.finishTask(failed, { status: "failed", error: { code: 1, message: "No paint" } });
    await place.store.cancelTask(cancelled);
    const ends = await Promise.all([
      mcpTasks(["watch", failed, ...place.args]),
      mcpTasks(["watch", cancelled, ...place.args]),
      expired.ended,
      mcpTasks(["watch", working, ...place.args, "--timeout", "1ms"]),
      mcpTasks(["watch", "0000000", ...place.args]),
      mcpTasks(["watch", working, ...place.args, "--timeout", "soon"]),
      mcpTasks(["watch", working, ...place.args, "--name", "render"]),
    ]);
    expect(ends.map(({ code }) => code)).toEqual([3, 4, 5, 6, 1, 2, 2]);
    expect(ends[0]?.stdout).toContain("failed");
    expect(ends[0]?.stdout).not.toContain("No paint");
  });

  test("with a signal", async () => {
    const watch = start(["watch", await made(), ...place.args]);
    await watch.output((text) => text.includes("working"));
    watch.kill("SIGTERM");
    expect(await watch.ended).toMatchObject({ code: 143, stderr: "mcp-tasks: interrupted by SIGTERM\n" });
  });

  test("workers lists who holds tasks", async () => {
    const [one, other] = [await made(), await made()];
    for (const id of [one, other]) await place.store.acquireLease(id, { holder: { worker: "mill", version: "1.2.0" } });
    const { workers } = await json(["workers", ...place.args]);
    expect(workers).toMatchObject([
      { pid: process.pid, worker: "mill", version: "1.2.0", running: 2, names: { render: 2 } },
    ]);
    expect((await mcpTasks(["workers", ...place.args])).stdout).toMatch(/HOST .*\n.*mill .*render 2\n$/);
  });
});
