import { cp } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { connectModern } from "../../../packages/server/test/clients/support/modern.ts";
import { repositoryRoot, run } from "../../packages.ts";
import { Program, useScratch } from "./program.ts";

// The NestJS example as a real application: compiled by tsc to CommonJS, with decorators and their
// metadata, and run by Node.

const EXAMPLE = join(repositoryRoot, "tooling/examples/nestjs");
const scratch = useScratch("nestjs");

beforeAll(async () => {
  const tsc = join(repositoryRoot, "node_modules/.bin/tsc");
  await run(tsc, ["-p", EXAMPLE, "--outDir", scratch.path], { cwd: EXAMPLE });
  await cp(join(EXAMPLE, "package.json"), join(scratch.path, "package.json"));
});

function start(): Program {
  return new Program(["main.js"], { cwd: scratch.path, env: { PORT: "0", TASKS_DB: "tasks.db" } });
}

test("A tool of a controller makes a task, and a provider runs it, also after a restart", async () => {
  let taskId: string;
  {
    await using program = start();
    await using client = await connectModern(await program.said(/Serving (http\S+)/));
    expect((await client.client.listTools()).tools.map(({ name }) => name)).toEqual(["render", "ping"]);
    expect((await client.client.callTool({ name: "ping", arguments: {} })).content).toEqual([
      { type: "text", text: "pong" },
    ]);
    const execution = await client.session.callTool("render", { frames: 3 });
    if (execution.kind !== "task") throw new Error("The call was answered at once");
    taskId = execution.serializeReference().taskId;
    const { outcome } = await execution.settle();
    const content = [{ type: "text", text: "3 rendered" }];
    expect(outcome).toMatchObject({ status: "completed", result: { content } });
    // Nest's own check of arguments.
    const wrong = await client.request("tools/call", { name: "render", arguments: { frames: -1 } });
    expect(wrong).toMatchObject({ result: { isError: true } });
    await program.end("SIGTERM");
  }
  await using program = start();
  await using client = await connectModern(await program.said(/Serving (http\S+)/));
  expect(await client.request("tasks/get", { taskId })).toMatchObject({ result: { status: "completed" } });
});
