/** The modules that have the SQL of migrations and the Lua of Redis commands. */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { basename } from "node:path";
import { repositoryRoot } from "./packages.ts";

/** Reads a file by its path from the root of the repository. */
export type ReadFile = (file: string) => string;

export interface EmbeddedModule {
  readonly path: string;
  /** The files that the module is made from. */
  readonly sources: readonly string[];
  readonly text: string;
}

type Make = (files: readonly string[], read: ReadFile) => string;
const MODULES: readonly (readonly [path: string, source: string, make: Make])[] = [
  ["packages/sqlite/src/migrations.generated.ts", "packages/sqlite/migrations/*.sql", migrations],
  ["packages/postgres/src/migrations.generated.ts", "packages/postgres/migrations/*.sql", migrations],
  ["packages/redis/src/commands.generated.ts", "packages/redis/src/commands/*.lua", commands],
];

/** Files that files of a module include. */
const INCLUDED = "packages/redis/src/commands/includes/*.lua";

/** The first line of a migration that packages of the versions before it may ignore. */
const ADDITION = "-- An addition: packages that know only the versions before it go on.";

export function embedded(read: ReadFile): EmbeddedModule[] {
  return MODULES.map(([path, source, make]) => {
    const files = filesOf(source);
    const text = `// Made from ${source} by tooling/embed.ts. Do not edit.\n${make(files, read)}`;
    return { path, sources: make === commands ? [...files, ...filesOf(INCLUDED)] : files, text };
  });
}

function filesOf(pattern: string): string[] {
  return globSync(pattern, { cwd: repositoryRoot })
    .map((file) => file.replaceAll("\\", "/"))
    .toSorted();
}

function migrations(files: readonly string[], read: ReadFile): string {
  const entries = files.map((file, index) => {
    const version = index + 1;
    const [, number, name] = /^(\d{4})_(\w+)\.sql$/.exec(basename(file)) ?? [];
    if (Number(number) !== version) throw new Error(`${file}: expected the number ${version}, as in 0001_name.sql`);
    const sql = read(file);
    // The ledger has additions under their negative number.
    const recorded = sql.startsWith(ADDITION) ? -version : version;
    // Users may run PostgreSQL's files themselves, so each file records itself.
    if (file.includes("postgres") && !sql.includes(`(version, name) VALUES (${recorded}, '${name}');`))
      throw new Error(`${file} does not record itself`);
    return `  { version: ${recorded}, name: ${JSON.stringify(name)}, sql: ${JSON.stringify(sql)} },\n`;
  });
  return `export const migrations: readonly { readonly version: number; readonly name: string; readonly sql: string }[] = [
${entries.join("")}];
`;
}

function commands(files: readonly string[], read: ReadFile): string {
  const entries = files.map((file) => {
    const text = read(file);
    const keys = keysOf(text, file);
    const included = new Set<string>();
    const lua = withCommands(withIncludes(text, included, read), keys, included, read);
    const sha1 = createHash("sha1").update(lua).digest("hex");
    const name = basename(file, ".lua").replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    return `  ${name}: {\n    keys: [${keys.map((key) => JSON.stringify(key)).join(", ")}],\n    sha1: "${sha1}",\n    lua: ${JSON.stringify(lua)},\n  },\n`;
  });
  return `export const commands = {
${entries.join("")}} as const;
`;
}

/** The names of the keys in the header of a command. */
function keysOf(text: string, file: string): string[] {
  return [...text.matchAll(/^-- KEYS\[(\d+)(?:\.\.)?\] ([\w:*]+): /gm)].map(([, number, name], index) => {
    if (Number(number) !== index + 1) throw new Error(`${file}: expected KEYS[${index + 1}] in the header`);
    return name as string;
  });
}

/** The text with each include in the place of its first mention. */
function withIncludes(text: string, included: Set<string>, read: ReadFile): string {
  return text.replaceAll(/^-- include "([\w-]+)"\n/gm, (_, name: string) => {
    if (included.has(name)) return "";
    included.add(name);
    return withIncludes(read(`packages/redis/src/commands/includes/${name}.lua`), included, read);
  });
}

/**
 * The text with each `-- command` as a function, which takes the key of its task and its arguments.
 * Its other keys are those that the text itself declares.
 */
function withCommands(text: string, keys: readonly string[], included: ReadonlySet<string>, read: ReadFile): string {
  return text.replaceAll(/^-- command "([\w-]+)"\n/gm, (_, name: string) => {
    const file = `packages/redis/src/commands/${name}.lua`;
    const command = read(file);
    const own = keysOf(command, file);
    const body = withIncludes(command.replace(/^(?:--(?! include).*\n)+/, ""), new Set(included), read);
    const bound = body.replaceAll(/\bKEYS\[(\d+)\]/g, (_, number: string) => {
      const key = own[Number(number) - 1] as string;
      if (key === "task") return "TASK_KEY";
      if (!keys.includes(key)) throw new Error(`${file}: its key ${key} is not declared by what includes it`);
      return `KEYS[${keys.indexOf(key) + 1}]`;
    });
    return `local function ${name}(TASK_KEY, ARGV)\n${bound}end\n`;
  });
}
