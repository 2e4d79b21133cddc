import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { publicPackages } from "../packages.ts";

// Every exported name, types included, is in exports.json, because later versions must keep it.
// `vitest -u` does not write that file, so each new name is a decision.

const decided: Record<string, string[]> = JSON.parse(readFileSync(new URL("exports.json", import.meta.url), "utf8"));

test("the list of exports has every entry point of every package, and no other", () => {
  expect(Object.keys(decided)).toEqual(publicPackages().flatMap(({ entryPoints }) => entryPoints));
});

test.each(publicPackages().flatMap((each) => each.entryPoints.map((entryPoint) => [entryPoint, each] as const)))(
  "%s exports what the list says",
  (entryPoint, { name, directory }) => {
    const { exports } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    const conditions = exports[entryPoint.replace(name, ".")];
    const { types } = conditions.import ?? conditions;
    expect(exportsOf(join(directory, types)).toSorted()).toEqual(decided[entryPoint]);
  },
);

/** The names in a declaration file. `export *` from another package counts as one name. */
function exportsOf(declarations: string): string[] {
  const text = readFileSync(declarations, "utf8");
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((name) =>
        name
          .trim()
          .replace(/^type /, "")
          .replace(/^.* as /, ""),
      )
      .filter((name) => name !== ""),
  );
  const declared = /^export (?:declare )?(?:abstract )?(?:const|let|function|class|interface|type|enum) (\w+)/gm;
  const named = [...text.matchAll(declared)].map(([, name = ""]) => name);
  const spaces = [...text.matchAll(/^export \* as (\w+) from/gm)].map(([, name = ""]) => name);
  const all = [...text.matchAll(/^export \* from "([^"]+)"/gm)].flatMap(([, from = ""]) =>
    from.startsWith(".") ? exportsOf(join(dirname(declarations), from.replace(/\.js$/, ".d.ts"))) : [`* from ${from}`],
  );
  return [...new Set([...lists, ...named, ...spaces, ...all])];
}
