import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify, stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { mcpTasks, start } from "./support/cli.ts";
import { sqlite } from "./support/places.ts";

describe("top", () => {
  const place = sqlite.use();

  test("prints one look in a pipe, and lines of JSON", async () => {
    const { taskId } = await place.store.createTask({ name: "render" });
    const [text, lines] = await Promise.all([
      mcpTasks(["top", ...place.args]),
      mcpTasks(["top", ...place.args, "--json", "--interval", "100ms", "--count", "2"]),
    ]);
    expect(text.stdout).toContain(taskId);
    expect(text.stdout).not.toContain("\u001b");
    const looks = lines.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(looks.map(({ version, stats }) => [version, stats.counts.working])).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect((await mcpTasks(["top", ...place.args, "--interval", "often"])).code).toBe(2);
  });

  // `script` gives a program a terminal. It comes with Linux.
  test.runIf(existsSync("/usr/bin/script"))("draws again on a terminal, and leaves it as it was", async () => {
    const top = start(["top", ...place.args, "--interval", "100ms"], { terminal: 70 });
    await top.output((text) => text.includes("1 working"));
    const { taskId } = await place.store.createTask({ name: "paint" });
    const drawn = await top.output((text) => text.includes("2 working") && text.includes(taskId.slice(0, 7)));
    const lines = stripVTControlCharacters(drawn).split(/\r?\n/);
    expect(lines.filter((line) => line.length > 70)).toEqual([]);
    top.type("q");
    const { code, stdout } = await top.ended;
    expect(code).toBe(0);
    expect(stdout.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
    expect(stdout.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  });

  test.runIf(existsSync("/usr/bin/script"))("leaves the terminal as it was after Ctrl-C, too", async () => {
    const top = start(["top", ...place.args], { terminal: 70 });
    await top.output((text) => text.includes("working"));
    top.type("\u0003");
    const { code, stdout } = await top.ended;
    expect({ code, end: stdout.slice(-14) }).toEqual({ code: 0, end: "\u001b[?25h\u001b[?1049l" });
  });
});

describe("completion", () => {
  /** What bash offers for this command line. */
  async function offered(...words: string[]): Promise<string[]> {
    const { stdout: script } = await mcpTasks(["completion", "bash"]);
    const program = `${script}
compopt() { :; }
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_mcp_tasks; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)("bash", ["-c", program]);
    return stdout.trim().split("\n");
  }

  test("bash completes commands, options, their values, and words of filters", async () => {
    expect(
      await Promise.all([
        offered("mcp-tasks", "re"),
        offered("mcp-tasks", "list", "--or"),
        offered("mcp-tasks", "list", "--order", ""),
        offered("mcp-tasks", "cancel", "-w", "sta"),
        offered("mcp-tasks", "completion", ""),
        offered("mcp-tasks", "show", "--limit"),
      ]),
    ).toEqual([
      ["rerun", "requeue", "remove", "resume", "redeliver"],
      ["--order"],
      ["newest", "oldest"],
      ["status"],
      ["bash", "zsh", "fish"],
      [""],
    ]);
  });

  test.each(["zsh", "fish"])("the script for %s names every command and its options", async (shell) => {
    const [{ stdout }, help] = await Promise.all([mcpTasks(["completion", shell]), mcpTasks(["--help"])]);
    const commands = [...help.stdout.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name = ""]) => name);
    expect(commands.length).toBeGreaterThan(15);
    expect(commands.filter((name) => !stdout.includes(name))).toEqual([]);
    expect(stdout).toContain("newest oldest");
    if (existsSync(`/usr/bin/${shell}`)) await promisify(execFile)(shell, ["-n", "-c", stdout]);
  });
});
