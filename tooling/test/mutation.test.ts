import { expect, test } from "vitest";
import { luaEdits } from "../mutation/lua.ts";
import { type Edit, mutantsOf, sampleOf } from "../mutation/mutant.ts";
import { optionsOf } from "../mutation/options.ts";
import { excuses, reasons } from "../mutation/reasons.ts";
import { sqlEdits } from "../mutation/sql.ts";
import { BACKENDS, filesOf, moduleOf, mutantsIn, read, TARGETS_OF } from "../mutation/targets.ts";
import { typescriptEdits } from "../mutation/typescript.ts";

/** The source with each edit. */
function changed(source: string, edits: readonly Edit[]): string[] {
  return mutantsOf("file", source, edits).map(({ text }) => text());
}

test("TypeScript: conditions, comparisons, numbers and statements change, and types stay away", () => {
  const source = "if (a < 2 && !b) stop();";
  expect(changed(source, typescriptEdits(source))).toEqual(
    expect.arrayContaining([
      "if (true) stop();",
      "if (false) stop();",
      "if (a <= 2 && !b) stop();",
      "if (a >= 2 && !b) stop();",
      "if (a < 3 && !b) stop();",
      "if (a < 2 || !b) stop();",
      "if (a < 2 && b) stop();",
      "if (a < 2 && !b) ;",
    ]),
  );
  const typed = "const x: Map<string, 1> = y as Map<string, 1>;";
  expect(typescriptEdits(typed)).toEqual([]);
  const message = 'throw new TypeError(a > 1 ? "many" : "one");';
  expect(changed(message, typescriptEdits(message))).toEqual([";"]);
});

test("SQL: conditions, comparisons, order, limits and locks change", () => {
  const source = "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED";
  expect(changed(source, sqlEdits(source))).toEqual([
    "SELECT a FROM t WHERE  b <= now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a <> $1 AND b <= now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 OR b <= now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1  ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b < now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b > now() ORDER BY b LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now()  LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b DESC LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b  FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b LIMIT 1 + 1 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b LIMIT 0 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b LIMIT 1 ",
    "SELECT a FROM t WHERE a = $1 AND b <= now() ORDER BY b LIMIT 1 FOR UPDATE ",
  ]);
});

test("SQL: an assignment is no comparison, and a removed condition keeps its parameters", () => {
  const update = "UPDATE t SET a = 2, b = a + 1 WHERE c IS NULL";
  expect(changed(update, sqlEdits(update))).toEqual([
    "UPDATE t SET a = 3, b = a + 1 WHERE c IS NULL",
    "UPDATE t SET a = 2 WHERE c IS NULL",
    "UPDATE t SET a = 2, b = a - 1 WHERE c IS NULL",
    "UPDATE t SET a = 2, b = a + 0 WHERE c IS NULL",
    "UPDATE t SET a = 2, b = a + 1 WHERE c IS NOT NULL",
  ]);
  const select = "SELECT a FROM t WHERE a = 'x' AND b > ?";
  expect(changed(select, sqlEdits(select))).toContain("SELECT a FROM t WHERE a = 'x' AND (1 OR ?)");
});

test("SQL in TypeScript: the statement changes, and what is put into it stays", () => {
  const source = 'const text = (a: string) => `SELECT 7 FROM §{a + "b"} WHERE c = 1`;'.replace("§", "$");
  expect(mutantsIn("file.ts", source, "sql").map(({ change }) => change)).toEqual(["7 -> 8", "= -> <>", "1 -> 0"]);
});

test("Lua: conditions, comparisons, numbers, statements and options of commands change", () => {
  const source = "if a < 2 and not b then redis.call('ZADD', key, 'XX', 5, ARGV[1]) return end\nlocal c = '(' .. d";
  expect(mutantsOf("file.lua", source, luaEdits(source)).map(({ change }) => change)).toEqual([
    "a < 2 and not b -> true",
    "a < 2 and not b -> false",
    "< -> <=",
    "< -> >=",
    "2 -> 3",
    "and -> or",
    "not b -> (b)",
    "redis.call('ZADD', key, 'XX', 5, ARGV[1]) -> nothing",
    ", 'XX' -> nothing",
    "5 -> 6",
    "return -> nothing",
    "'(' .. d -> d",
  ]);
});

test("a mutant of a Lua file changes the commands that include it, and their hashes", () => {
  const file = "packages/redis/src/commands/includes/clock.lua";
  const text = read(file).replace("1000", "1001");
  const [before, after] = [read(file), text].map((each) => moduleOf(file, each));
  expect(after?.path).toMatch(/packages\/redis\/dist\/commands\.generated\.js$/);
  const hashes = (code = ""): readonly string[] => code.match(/(?<=sha1: ")\w+/g) ?? [];
  const kept = hashes(after?.text).filter((each) => hashes(before?.text).includes(each));
  expect(kept.length).toBeLessThan(hashes(before?.text).length / 2);
});

test("a module is the code of its file, with imports of compiled modules", () => {
  const file = "packages/core/src/backend/rules.ts";
  const { path, text } = moduleOf(file, mutantsIn(file, read(file), "rules")[0]?.text() ?? "");
  expect(path).toMatch(/packages\/core\/dist\/backend\/rules\.js$/);
  expect(text).toContain('from "../contract/task.js"');
});

test("a larger sample of the same seed has the smaller one", () => {
  const all = mutantsIn("a.lua", read("packages/redis/src/commands/claim.lua"), "lua");
  expect(sampleOf(all, 20, 1).slice(0, 10)).toEqual(sampleOf(all, 10, 1));
  expect(sampleOf(all, 10, 2)).not.toEqual(sampleOf(all, 10, 1));
});

test("every target of every backend has files, and every reason excuses a mutant", () => {
  const unused = new Set(reasons);
  const matches = (file: string) => [...unused].some((reason) => file.endsWith(reason.file));
  for (const backend of BACKENDS) {
    for (const target of TARGETS_OF[backend]) {
      const files = filesOf(backend, target);
      expect(files).not.toEqual([]);
      for (const mutant of files.filter(matches).flatMap((file) => mutantsIn(file, read(file), target)))
        for (const reason of unused) if (excuses(reason, mutant)) unused.delete(reason);
    }
  }
  expect([...unused]).toEqual([]);
});

test("wrong options are refused", () => {
  expect(() => optionsOf(["--backend", "oracle"])).toThrow("core, memory, sqlite, postgres, redis");
  expect(() => optionsOf(["--sample", "many"])).toThrow("whole number");
  expect(optionsOf(["--sample", "0"])?.sample).toBe(Number.POSITIVE_INFINITY);
});
