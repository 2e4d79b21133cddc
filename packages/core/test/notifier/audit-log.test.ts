import { appendFile, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { auditLog, type DeliveredEvent } from "@mcp-task-store/core";
import { expect, onTestFinished, test } from "vitest";

const { signal } = new AbortController();

function eventOf(number: number): DeliveredEvent {
  const task = { taskId: `t\n${number}`, name: "grind", owner: "ada", status: "working", revision: number } as const;
  return { id: `e${number}`, kind: "progress", at: "2026-11-27T07:18:09.018Z", task, attempt: 3 };
}

/** What the log has of an event. */
function lineOf(number: number) {
  const { attempt: _, ...line } = eventOf(number);
  return line;
}

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "audit-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "tasks.jsonl");
}

async function linesOf(path: string): Promise<unknown[]> {
  const text = await readFile(path, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

test("writes a line of JSON for each event, in the order of the calls", async () => {
  const path = await newPath();
  const [one, other] = [auditLog(path), auditLog(path)];
  await one(eventOf(1), { signal });
  expect(await linesOf(path)).toEqual([lineOf(1)]);
  await Promise.all(Array.from({ length: 50 }, (_, index) => one(eventOf(index + 2), { signal })));
  expect(await linesOf(path)).toEqual(Array.from({ length: 51 }, (_, index) => lineOf(index + 1)));
  await Promise.all([one(eventOf(52), { signal }), other(eventOf(53), { signal })]);
  expect(await linesOf(path)).toHaveLength(53);
});

test("begins a line of its own after half a line, and a file anew after it was renamed", async () => {
  const path = await newPath();
  const log = auditLog(path);
  await log(eventOf(1), { signal });
  await appendFile(path, '{"id":"e2","ki');
  await log(eventOf(3), { signal });
  const lines = (await readFile(path, "utf8")).split("\n");
  expect(lines).toEqual([JSON.stringify(lineOf(1)), '{"id":"e2","ki', JSON.stringify(lineOf(3)), ""]);
  await rename(path, `${path}.1`);
  await log(eventOf(4), { signal });
  expect(await linesOf(path)).toEqual([lineOf(4)]);
});

test("rejects while the file cannot be written, and goes on afterwards", async () => {
  const path = await newPath();
  const log = auditLog(path);
  await appendFile(path, "");
  await rm(path);
  const missing = auditLog(join(path, "inside"));
  await expect(missing(eventOf(1), { signal })).rejects.toThrow();
  await log(eventOf(1), { signal });
  expect(await linesOf(path)).toEqual([lineOf(1)]);
});

test("writes to a stream, and rejects when the stream fails", async () => {
  const stream = new PassThrough();
  const log = auditLog(stream);
  await log(eventOf(1), { signal });
  expect(JSON.parse(String(stream.read()))).toEqual(lineOf(1));
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error("full")) });
  broken.on("error", () => undefined);
  await expect(auditLog(broken)(eventOf(1), { signal })).rejects.toThrow("full");
});

test("takes a path or a stream, and nothing else", () => {
  for (const target of ["", 1, undefined, {}])
    expect(() => auditLog(target as string)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
