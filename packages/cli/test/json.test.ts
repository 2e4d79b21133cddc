import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TaskStore } from "@mcp-task-store/core";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { mcpTasks, start } from "./support/cli.ts";
import { codecFile } from "./support/codecs.ts";
import { postgres, sqlite } from "./support/places.ts";

// What commands print is checked against the schema of the documentation.

interface Part {
  readonly properties: { readonly command: { readonly const?: string; readonly enum?: readonly string[] } };
}

const page = readFileSync(new URL("../../../tooling/docs/reference/cli-json.md", import.meta.url), "utf8");
const schema: { anyOf: Part[]; $defs: object } = JSON.parse(/^```json\n(.*?)^```$/ms.exec(page)?.[1] ?? "");
// Without a library for formats, times are checked as texts.
const ajv = new Ajv2020({ validateFormats: false });
const parts = schema.anyOf.map(({ properties, ...part }) => {
  const { command } = properties;
  const commands = command.enum ?? [command.const as string];
  return { commands, isRight: ajv.compile({ ...part, properties, $defs: schema.$defs }) };
});

/** What is wrong with an object by each part of the schema for its command; nothing if one fits. */
function mistakes(object: { command: string }): unknown[] {
  const own = parts.filter(({ commands }) => commands.includes(object.command));
  const found = own.map(({ isRight }) => (isRight(object) ? [] : [...(isRight.errors ?? [])]));
  return own.length > 0 && found.some((errors) => errors.length === 0) ? [] : [object, ...found];
}

/** The objects that a command prints. */
async function printed(args: readonly string[]): Promise<{ command: string }[]> {
  const { code, stdout, stderr } = await mcpTasks(args);
  expect(stdout, stderr).not.toBe("");
  expect([0, 3]).toContain(code);
  return args.includes("--ndjson") || args[0] === "watch" || args[0] === "top"
    ? stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [JSON.parse(stdout)];
}

/** What `dashboard` prints before it serves. */
async function served(args: readonly string[]): Promise<{ command: string }> {
  const program = start(["dashboard", "--port", "0", ...args]);
  const stdout = await program.output((text) => text.trimEnd().endsWith("}"));
  program.kill("SIGTERM");
  await program.ended;
  return JSON.parse(stdout);
}

/** Tasks in every state, with every kind of event in their histories. */
async function fill(store: TaskStore) {
  const made = async () => (await store.createTask({ name: "render", arguments: { a: 1 }, owner: "alice" })).taskId;
  const failed = await made();
  await store.finishTask(failed, { status: "failed", error: { code: 1, message: "No", data: {} } });
  await store.operations.rerunTask(failed);
  const completed = await made();
  const lease = await store.acquireLease(completed, { holder: { worker: "mill", version: "1" } });
  await store.finishTask(completed, { status: "completed", result: { content: [] } }, { lease });
  const requeued = await made();
  await store.acquireLease(requeued);
  await store.operations.requeueTask(requeued);
  await store.releaseLease(await store.acquireLease(requeued));
  const held = await made();
  await store.acquireLease(held, { holder: { worker: "mill" } });
  const asking = await made();
  await store.requestInputs(asking, { colour: { method: "elicitation/create", params: { message: "Which?" } } });
  return { failed, completed, held, asking, other: await made() };
}

describe("PostgreSQL", () => {
  const place = postgres.use();
  const second = sqlite.use();

  test("every command prints what the schema says", { timeout: 240_000 }, async () => {
    await place.store.events.register({ name: "audit", on: ["created", "end"] });
    const { failed, completed, held, asking, other } = await fill(place.store);
    const looks: string[][] = [
      ["list"],
      ["list", "--ndjson"],
      ["show", failed, "--payloads"],
      ["show", asking, "--payloads"],
      ["show", held],
      ["watch", completed, "--payloads"],
      ["top", "--count", "1"],
      ["stats"],
      ["workers"],
      ["notifiers"],
      ["notifiers", "audit", "--waiting"],
      ["health", "--max-stuck", "0"],
      ["doctor"],
      ["migrate"],
    ];
    const acts: string[][] = [
      ["answer", asking, "--decline"],
      ["requeue", held],
      ["rerun", failed],
      ["cancel", other],
      ["remove", other],
      ["cancel", "--where", "name=render", "--dry-run"],
      ["prune", "--older-than", "1h", "--yes"],
      ["pause", "render"],
      ["resume", "render"],
      ["redeliver", "audit", "--all"],
      ["unregister", "audit", "--yes"],
    ];
    const run = (line: string[]) => printed([...line, ...place.args, "--json"]);
    const seen = (await Promise.all(looks.map(run))).flat();
    for (const line of acts) seen.push(...(await run(line)));
    const file = join(dirname(second.url), "tasks.ndjson");
    seen.push(...(await run(["export", file])));
    seen.push(...(await printed(["import", file, ...second.args, "--json"])));
    seen.push(...(await run(["copy", "--to", second.url])));
    seen.push(...(await run(["rotate", "--codec", await codecFile(dirname(second.url), ["key"])])));
    seen.push(await served([...place.args, "--json"]));
    expect(seen.flatMap(mistakes)).toEqual([]);
    const described = parts.flatMap(({ commands }) => commands);
    expect(new Set(seen.map(({ command }) => command))).toEqual(new Set(described));
  });
});

test("the schema refuses what is not in it", () => {
  const answer = { version: 1, command: "answer", dryRun: false, taskId: "a", key: "b" };
  const wrong = [
    { ...answer, more: 1 },
    { ...answer, version: 2 },
    { ...answer, key: 1 },
    { version: 1, command: "answer" },
  ];
  expect([answer, ...wrong].map((each) => mistakes(each).length === 0)).toEqual([true, false, false, false, false]);
});
