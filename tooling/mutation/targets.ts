import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { embedded, type ReadFile } from "../embedded.ts";
import { repositoryRoot } from "../packages.ts";
import type { Place } from "./harnesses.ts";
import { luaEdits } from "./lua.ts";
import { type Mutant, mutantsOf } from "./mutant.ts";
import { sqlEdits } from "./sql.ts";
import { sqlPieces, typescriptEdits, withoutTypes } from "./typescript.ts";

export const BACKENDS = ["core", "memory", "sqlite", "postgres", "redis"] as const;
export type Backend = (typeof BACKENDS)[number];
export const TARGETS = ["rules", "store", "operations", "typescript", "sql", "lua"] as const;
export type Target = (typeof TARGETS)[number];

const RULES = ["packages/core/src/backend/rules.ts"];
/** What stores of all backends do. */
const STORE = ["packages/core/src/store/*.ts"];
/** What operators do with tasks, on all of them. */
const OPERATIONS = ["packages/core/src/store/operations/*.ts", "packages/core/src/backend/search.ts"];
/** Errors, options, and what no store on this machine runs. */
const LEFT_OUT = /\/(?:errors|options|schema|driver|names|index|entry|task-store|traced-methods|.*\.generated)\.ts$/;

/**
 * The stores that mutants run on, one after the other until a case fails. Memory is fast, and the
 * example has outages and several processes.
 */
export const PLACES_OF: Readonly<Record<Backend, readonly Place[]>> = {
  core: ["memory", "example"],
  memory: ["memory"],
  sqlite: ["sqlite"],
  postgres: ["postgres"],
  redis: ["redis"],
};

/** What is mutated of each backend. Core's part is that of all of them. */
export const TARGETS_OF: Readonly<Record<Backend, readonly Target[]>> = {
  core: ["rules", "store", "operations"],
  memory: ["typescript"],
  sqlite: ["sql", "typescript"],
  postgres: ["sql", "typescript"],
  redis: ["lua", "typescript"],
};

/** All mutants of a target, in the order of the files. */
export function allMutants(backend: Backend, target: Target): Mutant[] {
  return filesOf(backend, target).flatMap((file) => mutantsIn(file, read(file), target));
}

export function filesOf(backend: Backend, target: Target): string[] {
  const patterns: Readonly<Record<Target, readonly string[]>> = {
    rules: RULES,
    store: STORE,
    operations: OPERATIONS,
    typescript: [`packages/${backend}/src/**/*.ts`],
    sql: [`packages/${backend}/src/**/*.ts`, `packages/${backend}/migrations/*.sql`],
    lua: ["packages/redis/src/commands/**/*.lua"],
  };
  return globSync([...patterns[target]], { cwd: repositoryRoot })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => !LEFT_OUT.test(file))
    .toSorted();
}

export function mutantsIn(file: string, source: string, target: Target): Mutant[] {
  if (target === "lua") return mutantsOf(file, source, luaEdits(source));
  if (target !== "sql") return mutantsOf(file, withoutTypes(source), typescriptEdits(source));
  const [code, pieces] = file.endsWith(".sql")
    ? [source, bodies(source)]
    : ([withoutTypes(source), sqlPieces(source)] as const);
  const edits = pieces.flatMap(({ start, text }) =>
    sqlEdits(text, code.slice(start, start + text.length)).map((edit) => ({
      ...edit,
      start: start + edit.start,
      end: start + edit.end,
    })),
  );
  return mutantsOf(file, code, edits);
}

/** The bodies of a migration's functions. */
function bodies(source: string): { start: number; text: string }[] {
  return [...source.matchAll(/(?<=\bAS (\$\w+\$)\n)[\s\S]*?(?=\1;)/g)].map(({ 0: text, index }) => ({
    start: index,
    text,
  }));
}

/** The compiled module that has the file's code, and the text that it has with the mutant. */
export function moduleOf(file: string, text: string): { path: string; text: string } {
  const withMutant: ReadFile = (path) => (path === file ? text : read(path));
  const found = embedded(withMutant).find(({ sources }) => sources.includes(file));
  const [path, code] = found ? [found.path, withoutTypes(found.text)] : [file, text];
  return {
    path: join(repositoryRoot, path.replace("/src/", "/dist/").replace(/\.ts$/, ".js")),
    text: code.replaceAll(/((?:\bfrom|\bimport\(?)\s*"\.[^"]*)\.ts"/g, '$1.js"'),
  };
}

export function read(file: string): string {
  return readFileSync(join(repositoryRoot, file), "utf8").replaceAll("\r\n", "\n");
}
