/** Writes the .sql files of `migrations/` into a module, so that nothing reads files at run time. Prints it with `--print`. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const folder = new URL("../migrations/", import.meta.url);
const files = readdirSync(folder)
  .filter((file) => file.endsWith(".sql"))
  .toSorted();

const entries = files.map((file, index) => {
  const [, number, name] = /^(\d{4})_(\w+)\.sql$/.exec(file) ?? [];
  if (Number(number) !== index + 1) throw new Error(`${file}: expected the number ${index + 1}, as in 0001_name.sql`);
  const sql = readFileSync(new URL(file, folder), "utf8").replaceAll("\r\n", "\n");
  // People may run the files themselves, so each records itself.
  if (!sql.includes(`(version, name) VALUES (${index + 1}, '${name}');`))
    throw new Error(`${file} does not record itself`);
  return `  { version: ${index + 1}, name: ${JSON.stringify(name)}, sql: ${JSON.stringify(sql)} },\n`;
});

const text = `// Made from migrations/*.sql by scripts/embed-migrations.ts. Do not edit.
export const migrations: readonly { readonly version: number; readonly name: string; readonly sql: string }[] = [
${entries.join("")}];
`;

if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(new URL("../src/migrations.generated.ts", import.meta.url), text);
