/**
 * Writes the SQL of migrations and the Lua of Redis commands into modules, so that the packages
 * read no files at run time. With `--check` it writes nothing, and fails if a module is stale.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { repositoryRoot } from "./packages.ts";

const MODULES: readonly (readonly [path: string, source: string, make: (files: readonly string[]) => string])[] = [
  ["packages/sqlite/src/migrations.generated.ts", "packages/sqlite/migrations/*.sql", migrations],
  ["packages/postgres/src/migrations.generated.ts", "packages/postgres/migrations/*.sql", migrations],
  ["packages/redis/src/commands.generated.ts", "packages/redis/src/commands/*.lua", commands],
];

/** The first line of a migration that packages of the versions before it may ignore. */
const ADDITION = "-- An addition: packages that know only the versions before it go on.";

const stale: string[] = [];
for (const [path, source, make] of MODULES) {
  const files = globSync(source, { cwd: repositoryRoot }).map((file) => file.replaceAll("\\", "/"));
  const text = `// Made from ${source} by tooling/embed.ts. Do not edit.\n${make(files.toSorted())}`;
  const target = join(repositoryRoot, path);
  if (process.argv.includes("--check")) {
    if (readFileSync(target, "utf8") !== text) stale.push(path);
  } else writeFileSync(target, text);
}
if (stale.length > 0) {
  console.error(`Stale: ${stale.join(", ")}. Run: pnpm embed`);
  process.exitCode = 1;
}

function migrations(files: readonly string[]): string {
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

function commands(files: readonly string[]): string {
  const entries = files.map((file) => {
    const text = read(file);
    const keys = keysOf(text, file);
    const included = new Set<string>();
    const lua = withCommands(withIncludes(text, included), keys, included);
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
function withIncludes(text: string, included: Set<string>): string {
  return text.replaceAll(/^-- include "([\w-]+)"\n/gm, (_, name: string) => {
    if (included.has(name)) return "";
    included.add(name);
    return withIncludes(read(`packages/redis/src/commands/includes/${name}.lua`), included);
  });
}

/**
 * The text with each `-- command` as a function, which takes the key of its task and its arguments.
 * Its other keys are those that the text itself declares.
 */
function withCommands(text: string, keys: readonly string[], included: ReadonlySet<string>): string {
  return text.replaceAll(/^-- command "([\w-]+)"\n/gm, (_, name: string) => {
    const file = `packages/redis/src/commands/${name}.lua`;
    const command = read(file);
    const own = keysOf(command, file);
    const body = withIncludes(command.replace(/^(?:--(?! include).*\n)+/, ""), new Set(included));
    const bound = body.replaceAll(/\bKEYS\[(\d+)\]/g, (_, number: string) => {
      const key = own[Number(number) - 1] as string;
      if (key === "task") return "TASK_KEY";
      if (!keys.includes(key)) throw new Error(`${file}: its key ${key} is not declared by what includes it`);
      return `KEYS[${keys.indexOf(key) + 1}]`;
    });
    return `local function ${name}(TASK_KEY, ARGV)\n${bound}end\n`;
  });
}

function read(file: string): string {
  return readFileSync(join(repositoryRoot, file), "utf8").replaceAll("\r\n", "\n");
}
