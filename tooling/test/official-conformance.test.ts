import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { ServerProcess } from "../conformance-server/server-process.ts";
import { listScenarios, runScenario, SCENARIOS, successOf } from "../conformance-server/suite.ts";
import { repositoryRoot } from "../packages.ts";
import { DURABLE, testScenarios } from "./official-conformance.ts";

testScenarios("one server", ["memory", ...DURABLE], async (store, place, cleanUp) => {
  const server = cleanUp.use(new ServerProcess({ store, place }));
  const url = await server.url;
  return async () => url;
});

test("`SCENARIOS` lists all of the suite's scenarios about tasks", async () => {
  expect((await listScenarios()).sort()).toEqual(SCENARIOS.map(({ name }) => name).sort());
});

test("the command serves the suite until a signal ends it, and leaves nothing behind", async () => {
  const folder = await mkdtemp(join(tmpdir(), "conformance-command-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const main = join(repositoryRoot, "tooling/conformance-server/main.ts");
  const command = spawn(process.execPath, [main, "--store", "sqlite", "--port", "0"], {
    env: { ...process.env, TMPDIR: folder, TMP: folder, TEMP: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void command.kill("SIGKILL"));
  const closed = once(command, "close");
  const complaints = text(command.stderr);
  const [line] = await once(createInterface(command.stdout), "line");
  expect(line).toMatch(
    /^http:\/\/127\.0\.0\.1:\d+\/mcp keeps its tasks in a SQLite file\. .* process \d+ with SIGTERM/,
  );
  expect(await readdir(folder)).toHaveLength(1);
  const scenario = SCENARIOS.find(({ name }) => name === "tasks-mrtr-input");
  if (!scenario) throw new Error("There is no such scenario");
  expect((await runScenario(line.split(" ")[0], scenario)).output).toContain(successOf(scenario));
  command.kill("SIGTERM");
  expect(await closed).toEqual([0, null]);
  expect(await complaints).toBe("");
  expect(await readdir(folder)).toEqual([]);
});
