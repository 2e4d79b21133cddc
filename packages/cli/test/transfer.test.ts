import { readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { json, mcpTasks, start } from "./support/cli.ts";
import { places, sqlite } from "./support/places.ts";

const other = sqlite.use();

describe.each(places)("to and from $name", ({ name, use }) => {
  const place = use();
  const file = () => join(dirname(other.url), `${name}.ndjson`);

  test("what export wrote is imported into another store, once", async () => {
    const { taskId } = await place.store.createTask({ name: "grind", arguments: { grain: "rye" }, owner: "alice" });
    await place.store.updateTask(taskId, { checkpoint: { at: 3 }, statusMessage: "half" }, { owner: "alice" });
    const where = ["--where", `id=${taskId}`];
    expect(await json(["export", file(), ...where, ...place.args])).toMatchObject({ exported: 1 });
    // Payloads are for the user alone.
    if (process.platform !== "win32") expect((await stat(file())).mode & 0o077).toBe(0);
    expect(await json(["import", file(), ...other.args])).toMatchObject({ imported: 1, existing: 0 });
    expect(await other.store.getRecord(taskId, { owner: "alice" })).toMatchObject({ checkpoint: { at: 3 } });
    const again = await mcpTasks(["import", ...other.args], { input: await readFile(file(), "utf8") });
    expect(again).toMatchObject({ code: 0, stdout: "0 tasks imported, 1 existed already\n" });
    const refused = await mcpTasks(["export", file(), ...place.args]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("name another one") });
    // A database's password may be a part of the path, which is hidden then.
    expect(refused.stderr).toContain(`${name}.ndjson already`);
  });

  test("copy moves an active task, and leaves it without --move", async () => {
    const { taskId } = await place.store.createTask({ name: "copied" });
    const args = ["copy", "--to", other.url, "--where", "name=copied", ...place.args];
    expect(await json(args)).toMatchObject({ moved: 0, left: 1 });
    expect(await other.store.getTask(taskId)).toBeNull();
    expect(await mcpTasks([...args, "--move"])).toMatchObject({
      code: 0,
      stdout: "0 tasks copied, 1 moved, 0 existed already, 0 left\n",
    });
    expect((await other.store.getTask(taskId))?.status).toBe("working");
    expect((await place.store.getTask(taskId))?.status).toBe("failed");
  });
});

test("export follows new tasks until it is interrupted", async () => {
  const program = start(["export", "--follow", "--where", "name=followed", ...other.args]);
  const ids: string[] = [];
  for (let index = 0; index < 3; index += 1) {
    const { taskId } = await other.store.createTask({ name: "followed" });
    ids.push(taskId);
    await program.output((stdout) => stdout.includes(taskId));
  }
  program.kill("SIGINT");
  const { code, stdout } = await program.ended;
  expect(code).toBe(130);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).taskId)).toEqual(ids);
});

test("wrong lines and wrong options are refused", async () => {
  const file = join(dirname(other.url), "wrong.ndjson");
  await writeFile(file, '{"format":1}\n');
  expect(await mcpTasks(["import", file, ...other.args])).toMatchObject({ code: 2 });
  await writeFile(file, "no json\n");
  expect(await mcpTasks(["import", file, ...other.args])).toMatchObject({ code: 1, stderr: /line 1/ });
  const absent = await mcpTasks(["import", `${file}.gone`, ...other.args]);
  expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining(`${file}.gone`) });
  expect(absent.stderr).toContain("there is no file");
  expect(await mcpTasks(["import", file, ...other.args, "--read-only"])).toMatchObject({ code: 2 });
  expect(await mcpTasks(["copy", ...other.args])).toMatchObject({ code: 2, stderr: /--to/ });
});
