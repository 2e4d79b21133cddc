import { FILTER_WORDS, parseTaskFilter } from "@mcp-task-store/core";
import { expect, test } from "vitest";
import { has, quoted, suggestions, toggled } from "../client/filter-text.ts";

// The page changes terms of the filter language, which the server parses.

test.each(["render", "two words", 'a"b', "a,b", "a\\b", "a=b", "<5", "a.b", "émile", "a\tb"])(
  "a facet of %j asks for this value, and takes it away again",
  (value) => {
    const text = toggled('age>1h args.x="a b"', "name", value);
    expect([parseTaskFilter(text).name].flat()).toEqual([value]);
    expect(parseTaskFilter(text).payload).toEqual({ arguments: { x: "a b" } });
    expect(has(text, "name", value)).toBe(true);
    expect(toggled(text, "name", value)).toBe('age>1h args.x="a b"');
  },
);

test("facets of one word add up, and a word alone comes and goes", () => {
  const both = toggled("status=failed", "status", "cancelled");
  expect(parseTaskFilter(both).status).toEqual(["failed", "cancelled"]);
  expect(toggled(both, "status", "failed")).toBe("status=cancelled");
  // A value in quotation marks stands alone.
  expect(parseTaskFilter(toggled("name=a", "name", "b c")).name).toEqual(["b c"]);
  expect(toggled("stuck>5m name=a", "stuck")).toBe("name=a");
  expect(toggled("name=a", "unowned")).toBe("name=a unowned");
  expect(toggled("owner=x name=a", "unowned")).toBe("name=a unowned");
  expect(toggled("unowned name=a", "owner", "x")).toBe("name=a owner=x");
});

const known = { words: FILTER_WORDS, names: ["render", "sync it"], owners: ["acme"] };
const terms = (term: string) => suggestions(term, known).map((each) => each.term);

test("every word of the language is suggested, with an operator that it takes", () => {
  expect(terms("")).toHaveLength(Object.keys(FILTER_WORDS).length);
  const values: Record<string, string> = {
    age: "1h",
    created: "1d",
    changed: "1h",
    ended: "1h",
    attempts: "2",
    pid: "1",
    status: "failed",
  };
  for (const term of terms("")) {
    const word = /^\w+/.exec(term)?.[0] ?? "";
    const whole = term.endsWith(".") ? `${term}x=1` : /\W$/.test(term) ? term + (values[word] ?? "x") : term;
    expect(() => parseTaskFilter(whole), whole).not.toThrow();
  }
});

test("values are suggested for words that have few, and the suggestions parse", () => {
  expect(terms("status=f")).toEqual(["status=failed"]);
  expect(terms("status=failed,can")).toEqual(["status=failed,cancelled"]);
  expect(terms("name=")).toEqual(["name=render", 'name="sync it"']);
  expect(terms("owner=a")).toEqual(["owner=acme"]);
  expect(terms("age>")).toEqual(["age>5m", "age>1h", "age>1d"]);
  for (const term of [...terms("name="), ...terms("age>"), ...terms("stuck>")])
    expect(() => parseTaskFilter(term), term).not.toThrow();
  expect(terms("args.x=")).toEqual([]);
  expect(quoted("a b")).toBe('"a b"');
});
