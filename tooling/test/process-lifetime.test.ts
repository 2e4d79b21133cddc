import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { useHandles } from "./fixtures/handles.ts";
import { stores } from "./fixtures/stores.ts";

const PROGRAM = fileURLToPath(new URL("fixtures/lone-process.ts", import.meta.url));
const ENDED = ["waitForTask", "waitForResult", "awaitInput", "runTask"].flatMap((call) => [
  `${call} TimeoutError`,
  "finally",
]);

describe.each(stores)("a program that has nothing else to do, over $name", (kind) => {
  const handles = useHandles(kind);
  const run = (what: string) => {
    const address = JSON.stringify(handles.place.address ?? null);
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, address, what], {
      encoding: "utf8",
      timeout: 50_000,
    });
    return { status, said: stdout.trim().split("\n"), stderr };
  };

  test.each(["pending", "main"])("stays alive until its calls, including close(), have settled (%s)", (what) => {
    expect(run(what)).toEqual({ status: 0, said: [...ENDED, "closed"], stderr: "" });
  });

  test("exits despite an open store, a subscription, waits and a worker's run", () => {
    expect(run("idle")).toEqual({ status: 0, said: ["idle"], stderr: "" });
  });
});
