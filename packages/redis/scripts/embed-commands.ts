/** Writes the .lua files of `src/commands/` into a module, so that nothing reads files at run time. Prints it with `--print`. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const folder = new URL("../src/commands/", import.meta.url);
const read = (file: string) => readFileSync(new URL(file, folder), "utf8").replaceAll("\r\n", "\n");

/** The text with each include in the place of its first mention. */
function resolve(text: string, included: Set<string>): string {
  return text.replaceAll(/^-- include "([\w-]+)"\n/gm, (_, name: string) => {
    if (included.has(name)) return "";
    included.add(name);
    return resolve(read(`includes/${name}.lua`), included);
  });
}

const entries = readdirSync(folder)
  .filter((file) => file.endsWith(".lua"))
  .toSorted()
  .map((file) => {
    const text = read(file);
    const keys = [...text.matchAll(/^-- KEYS\[(\d+)(\.\.)?\] ([\w:*]+): /gm)].map(([, number, , name], index) => {
      if (Number(number) !== index + 1) throw new Error(`${file}: expected KEYS[${index + 1}] in the header`);
      return name;
    });
    const lua = resolve(text, new Set());
    const sha1 = createHash("sha1").update(lua).digest("hex");
    const name = file.slice(0, -".lua".length).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    const types = keys.map((key) => JSON.stringify(key)).join(", ");
    return `  ${name}: {\n    keys: [${types}],\n    sha1: "${sha1}",\n    lua: ${JSON.stringify(lua)},\n  },\n`;
  });

const text = `// Made from commands/*.lua by scripts/embed-commands.ts. Do not edit.
export const commands = {
${entries.join("")}} as const;
`;

if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(new URL("../src/commands.generated.ts", import.meta.url), text);
