// The generator's command line.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ended, program } from "./program.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "generator-test-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const create = (...args: readonly string[]): Promise<Ended> => program(process.execPath, [main, ...args], directory);
const nameIn = async (folder: string) =>
  JSON.parse(await readFile(join(directory, folder, "package.json"), "utf8")).name;

describe("without a terminal", () => {
  test("a folder is enough", async () => {
    const { code, stdout } = await create("packages/my backend", "--name", "my-backend");
    expect(code).toBe(0);
    expect(stdout).toContain(`cd "${join("packages/my backend")}"\n  git init\n  npm install\n`);
    expect(await nameIn("packages/my backend")).toBe("my-backend");
    expect(await readFile(join(directory, "packages/my backend/test/conformance.test.ts"), "utf8")).toContain(
      '"vitest"',
    );
  });

  test("the folder gives the name, and may be a repository without files", async () => {
    await mkdir(join(directory, "Mongo-Store/.git"), { recursive: true });
    expect(await create("Mongo-Store", "--runner", "node")).toMatchObject({ code: 0, stderr: "" });
    expect(await nameIn("Mongo-Store")).toBe("mongo-store");
    expect(await readFile(join(directory, "Mongo-Store/src/index.ts"), "utf8")).toContain("class MongoTaskStore ");
    expect(await readFile(join(directory, "Mongo-Store/test/conformance.test.ts"), "utf8")).toContain('"node:test"');
  });

  test("a folder with files is left as it is", async () => {
    await mkdir(join(directory, "full"));
    await writeFile(join(directory, "full/notes.txt"), "mine");
    const { code, stderr } = await create("full");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining("full is not empty: give a folder that is new or empty\n"),
    });
    expect(await readdir(join(directory, "full"))).toEqual(["notes.txt"]);
    expect((await create("full/notes.txt")).stderr).toContain(
      "notes.txt is a file: give a folder that is new or empty",
    );
  });

  test.each([
    [[], "Which folder? See --help"],
    [["a", "b"], "One folder, not 2: see --help"],
    [["a", "--runner", "jest"], "The runner is vitest or node: see --help"],
    [["a", "--runer", "node"], "Unknown option '--runer'"],
    [["a", "--name", "My Backend"], 'npm takes no package of the name "My Backend"'],
  ])("%j is refused, and nothing is written", async (args, message) => {
    const { code, stderr } = await create(...args);
    expect(stderr).toMatch(/^create-mcp-task-backend: [^\n]+\n$/);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(await readdir(directory)).toEqual([]);
  });

  test("--help says what it takes", async () => {
    const { code, stdout } = await create("--help");
    expect(code).toBe(0);
    for (const option of ["--name", "--runner", "--help"]) expect(stdout).toContain(option);
  });
});

describe("on a terminal", () => {
  /** Answers each question as soon as it is asked; an answer that is missing ends the input. */
  async function dialogue(args: readonly string[], answers: Readonly<Record<string, string>>): Promise<Ended> {
    // A pipe that says that it is a terminal: what a terminal adds is the echo of the keys.
    const pretend = ["--import", "data:text/javascript,process.stdin.isTTY = true"];
    const child = spawn(process.execPath, [...pretend, main, ...args], { cwd: directory });
    const closed = once(child, "close") as Promise<[number]>;
    let [stdout, stderr, asked] = ["", "", ""];
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      asked += text;
      const [question] = /^[^:\n]+: $/m.exec(asked) ?? [];
      if (question === undefined) return;
      asked = "";
      const answer = answers[question];
      if (answer === undefined) child.stdin.end();
      else child.stdin.write(`${answer}\n`);
    });
    const [code] = await closed;
    return { code, stdout, stderr };
  }

  test("asks for everything, and an empty answer takes the default", async () => {
    const { code, stderr } = await dialogue([], {
      "Folder: ": "redb",
      "Name of the package (redb): ": "@acme/redb",
      "Runner of the suite, vitest or node (vitest): ": "",
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await nameIn("redb")).toBe("@acme/redb");
  });

  test("asks only for what the command line does not say", async () => {
    const { code, stdout } = await dialogue(["redb", "--name", "redb"], {
      "Runner of the suite, vitest or node (vitest): ": "node",
    });
    expect(code).toBe(0);
    expect(stdout).not.toContain("Folder");
    expect(await readFile(join(directory, "redb/test/conformance.test.ts"), "utf8")).toContain('"node:test"');
  });

  test("the end of the input is no answer", async () => {
    const { code, stderr } = await dialogue(["redb"], {});
    expect(stderr).toContain("Not all questions were answered, so nothing was written");
    expect(code).toBe(2);
    expect(await readdir(directory)).toEqual([]);
  });
});
