import { existsSync } from "node:fs";
import type { TaskStatus, TaskStore } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { json, mcpTasks, start } from "./support/cli.ts";
import { postgres, sqlite } from "./support/places.ts";

const place = sqlite.use();

/** Tasks of a name of their own, in these statuses. */
async function made(name: string, statuses: readonly TaskStatus[], store: TaskStore = place.store): Promise<string[]> {
  const ids: string[] = [];
  for (const status of statuses) {
    const { taskId } = await store.createTask({ name, arguments: { of: name }, owner: "alice" });
    if (status === "input_required") await store.requestInputs(taskId, { colour: { method: "elicitation/create" } });
    else if (status !== "working") await store.updateTask(taskId, { status });
    ids.push(taskId);
  }
  return ids;
}

async function statuses(ids: readonly string[]) {
  return Promise.all(ids.map(async (taskId) => (await place.store.getTask(taskId))?.status ?? null));
}

describe("acts on ids", () => {
  test("cancel cancels each, and names those that it cannot", async () => {
    const ids = await made("cancelled", ["working", "completed", "working"]);
    const { code, stdout, stderr } = await mcpTasks([
      "cancel",
      ...ids,
      ...place.args,
      "--message",
      "Too late",
      "--json",
    ]);
    expect(code).toBe(1);
    const { results, done } = JSON.parse(stdout);
    expect(done).toBe(2);
    expect(results.map((each: { done: boolean }) => each.done)).toEqual([true, false, true]);
    expect(stderr).toMatch(/^mcp-tasks: Cannot cancel task [^\n]+\n$/);
    expect(await statuses(ids)).toEqual(["cancelled", "completed", "cancelled"]);
    expect((await place.store.getTask(ids[0] as string))?.statusMessage).toBe("Too late");
  });

  test("remove deletes the one task, and none whose id begins like it", async () => {
    for (const taskId of ["report", "report-2"]) {
      await place.store.createTask({ name: "removed", taskId });
      await place.store.updateTask(taskId, { status: "completed" });
    }
    const active = await made("removed", ["working"]);
    expect(await mcpTasks(["remove", "repo", ...place.args])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("more than one"),
    });
    expect(await mcpTasks(["remove", "report", ...active, ...place.args])).toMatchObject({
      code: 1,
      stdout: "deleted report\n",
      stderr: expect.stringContaining("cancel it first"),
    });
    expect(await statuses(["report", "report-2", ...active])).toEqual([null, "completed", "working"]);
  });

  test("rerun makes a new task of the request, with other arguments if they are given", async () => {
    const [failed = ""] = await made("rerun", ["failed"]);
    const args = ["rerun", failed, ...place.args, "--json", "--arguments", "-"];
    const { stdout } = await mcpTasks(args, { input: '{"of":"stdin"}' });
    const [{ newTaskId }] = JSON.parse(stdout).results;
    const record = await place.store.operations.getRecord(newTaskId);
    expect(record).toMatchObject({
      rerunOf: failed,
      owner: "alice",
      request: { params: { arguments: { of: "stdin" } } },
    });
    expect((await mcpTasks(["rerun", failed, ...place.args, "--arguments", "{"])).code).toBe(2);
    const [working = ""] = await made("rerun", ["working"]);
    expect((await mcpTasks(["rerun", working, ...place.args])).code).toBe(1);
  });

  test("requeue ends the lease of a runner", async () => {
    const [id = ""] = await made("requeued", ["working"]);
    const lease = await place.store.acquireLease(id);
    expect((await mcpTasks(["requeue", id, ...place.args])).code).toBe(0);
    await expect(place.store.renewLease(lease)).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  test("answer takes the only open question, or one by its key", async () => {
    const [id = "", other = ""] = await made("asked", ["input_required", "input_required"]);
    await place.store.requestInputs(other, { size: { method: "elicitation/create" } });
    const accept = ["--accept", '{"colour":"red"}'];
    expect((await mcpTasks(["answer", id, ...place.args, ...accept])).code).toBe(0);
    expect(await place.store.awaitInput(id, "colour")).toEqual({ action: "accept", content: { colour: "red" } });
    const several = await mcpTasks(["answer", other, ...place.args, "--decline"]);
    expect(several).toMatchObject({ code: 1, stderr: expect.stringContaining("colour, size") });
    expect((await mcpTasks(["answer", other, "size", ...place.args, "--decline"])).code).toBe(0);
    expect(await place.store.awaitInput(other, "size")).toEqual({ action: "decline" });
    expect((await mcpTasks(["answer", other, "size", ...place.args, "--decline"])).code).toBe(1);
    expect((await mcpTasks(["answer", other, "colour", ...place.args])).code).toBe(2);
  });
});

describe("acts on a filter", () => {
  test("a dry run counts and changes nothing, and --yes acts", async () => {
    const ids = await made("many", ["working", "completed", "working"]);
    const where = ["--where", "name=many", ...place.args];
    expect(await json(["cancel", ...where, "--dry-run"])).toMatchObject({
      dryRun: true,
      done: 2,
      skipped: { ended: 1 },
    });
    expect(await statuses(ids)).toEqual(["working", "completed", "working"]);
    expect(await mcpTasks(["cancel", ...where, "--yes"])).toMatchObject({
      code: 0,
      stdout: "cancelled 2 tasks (left out: 1 ended)\n",
    });
    expect(await json(["rerun", ...where, "--yes"])).toMatchObject({ done: 3 });
    expect(await json(["requeue", ...where, "--yes"])).toMatchObject({ done: 3, skipped: { ended: 3 } });
    expect(await json(["remove", ...where, "--yes"])).toMatchObject({ done: 3, skipped: { active: 3 } });
    expect(await statuses(ids)).toEqual([null, null, null]);
  });

  test("without a terminal and --yes, or with a filter that is empty, nothing is done", async () => {
    const ids = await made("refused", ["working"]);
    const refused = await Promise.all([
      mcpTasks(["cancel", "--where", "name=refused", ...place.args]),
      mcpTasks(["cancel", "--where", "", "--yes", ...place.args]),
      mcpTasks(["cancel", "--yes", ...place.args]),
      mcpTasks(["cancel", ...ids, "--all", "--yes", ...place.args]),
      mcpTasks(["cancel", ...ids, "--read-only", ...place.args]),
      mcpTasks(["pause", "refused", "--read-only", ...place.args]),
    ]);
    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => 2));
    expect(await statuses(ids)).toEqual(["working"]);
    expect(await place.store.operations.pausedNames()).toEqual([]);
    const dry = await mcpTasks(["cancel", ...ids, "--read-only", "--dry-run", ...place.args]);
    expect(dry).toMatchObject({ code: 0, stdout: `would have cancelled ${ids[0]}\n` });
    expect(await statuses(ids)).toEqual(["working"]);
  });

  test("prune deletes what has expired, and what ended long ago", async () => {
    await place.store.createTask({ name: "pruned", ttl: 1 });
    const [old = "", working = ""] = await made("pruned", ["completed", "working"]);
    const args = [...place.args, "--where", "name=pruned"];
    expect(await json(["prune", ...args, "--older-than", "1h", "--dry-run"])).toMatchObject({ done: 0, expired: null });
    expect(await json(["prune", ...args, "--older-than", "0s", "--yes"])).toMatchObject({ done: 1, expired: 1 });
    expect(await statuses([old, working])).toEqual([null, "working"]);
    expect((await mcpTasks(["prune", ...args])).code).toBe(2);
  });

  test("pause and resume say which names are paused then", async () => {
    expect(await json(["pause", "b", "a", "--dry-run", ...place.args])).toMatchObject({ dryRun: true, paused: [] });
    expect(await json(["pause", "b", "a", ...place.args])).toMatchObject({ paused: ["a", "b"] });
    expect((await mcpTasks(["stats", ...place.args])).stdout).toContain("a (paused)");
    expect(await json(["resume", "b", "a", ...place.args])).toMatchObject({ paused: [] });
  });
});

// `script` gives a program a terminal. It comes with Linux.
describe.runIf(existsSync("/usr/bin/script"))("on a terminal", () => {
  const ask = (...more: string[]) =>
    start(["cancel", "--where", "name=asked-first", ...more, ...place.args], { terminal: 100 });

  test("a bulk act asks, and only a yes goes on", async () => {
    const ids = await made("asked-first", ["working", "working"]);
    const no = ask();
    expect(await no.output((text) => text.includes("[y/N]"))).toContain("Cancel 2 tasks?");
    no.type("\r");
    expect(await no.ended).toMatchObject({ code: 1, stdout: expect.stringContaining("nothing was done") });
    const interrupted = ask();
    await interrupted.output((text) => text.includes("[y/N]"));
    interrupted.type("\u0003");
    expect((await interrupted.ended).code).toBe(130);
    expect(await statuses(ids)).toEqual(["working", "working"]);
    const yes = ask();
    await yes.output((text) => text.includes("[y/N]"));
    yes.type("y\r");
    expect(await yes.ended).toMatchObject({ code: 0, stdout: expect.stringContaining("cancelled 2 tasks") });
    expect(await statuses(ids)).toEqual(["cancelled", "cancelled"]);
  });
});

describe("PostgreSQL", () => {
  const server = postgres.use();

  test("a bulk act of more tasks than fit one step", async () => {
    const create = () => server.store.createTask({ name: "bulk" });
    await Promise.all(Array.from({ length: 250 }, create));
    expect(await json(["cancel", "--all", "--yes", ...server.args])).toMatchObject({ done: 250 });
    expect(await json(["rerun", "-w", "status=cancelled", "--yes", ...server.args])).toMatchObject({ done: 250 });
    expect(await json(["remove", "-w", "status=cancelled", "--yes", ...server.args])).toMatchObject({ done: 250 });
    expect((await json(["stats", ...server.args])).counts).toMatchObject({ working: 250, cancelled: 0 });
  });
});
