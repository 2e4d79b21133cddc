import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { directoryStorage } from "@mcp-task-store/core";
import { expect, onTestFinished, test } from "vitest";
import { keysOf, testObjectStorage } from "../../../../tooling/test/fixtures/object-storages.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "payloads-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

testObjectStorage(() => directoryStorage(join(temporaryFolder(), "made", "when needed")));

test.each([
  "../secret",
  "s/../../secret",
  "/etc/passwd",
  "s//a",
  "s/.hidden",
  "s/A",
  "s\\a",
  "s/a\0",
  "",
  "a".repeat(401),
])("refuses the key %j, which is no path in the folder", async (key) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "secret"), "secret");
  const storage = directoryStorage(join(folder, "payloads"));
  for (const call of [storage.put(key, Buffer.from("1")), storage.get(key), storage.delete(key)])
    await expect(call).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(readdirSync(folder)).toEqual(["secret"]);
});

test("processes that are killed while they write leave no part of an object under its key", async () => {
  const folder = temporaryFolder();
  const storage = directoryStorage(folder);
  const program = fileURLToPath(new URL("support/writing-process.ts", import.meta.url));
  const writers = Array.from({ length: 3 }, async (_, writer) => {
    const child = spawn(process.execPath, [program, folder, `${writer}`], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await ended;
  });
  await Promise.all(writers);
  const keys = await keysOf(storage, "s/");
  const whole = keys.filter((key) => !key.endsWith(".tmp"));
  expect(whole.length).toBeGreaterThanOrEqual(3);
  for (const key of whole) expect((await storage.get(key))?.byteLength).toBe(8_000_000);
  // What was begun is listed, so that a sweep deletes it.
  for (const key of keys) await storage.delete(key);
  expect(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())).toHaveLength(
    1,
  );
});

test("a folder that cannot be used is an outage, whose message has no path", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "file");
  writeFileSync(file, "");
  const storage = directoryStorage(file);
  for (const call of [storage.put("s/00/a.1", Buffer.from("1")), storage.list({ prefix: "s/", limit: 1 })]) {
    const error = await call.then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "not-applied" });
    expect(error?.message).not.toContain(folder);
  }
  mkdirSync(join(folder, "payloads", "s", "00", "a.1"), { recursive: true });
  await expect(directoryStorage(join(folder, "payloads")).get("s/00/a.1")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
  });
});

test("refuses what is no path", () => {
  for (const path of ["", " ", undefined, 1])
    expect(() => directoryStorage(path as string)).toThrow("directoryStorage needs the path of a folder");
});
