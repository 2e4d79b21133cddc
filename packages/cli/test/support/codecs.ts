import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { aesGcm, type PayloadCodec } from "@mcp-task-store/core";

const bytesOf = (id: string) => createHash("sha256").update(id).digest();

/** A codec that has these keys and encrypts by the last one. */
export function codecOf(ids: readonly string[]): PayloadCodec {
  const keys = Object.fromEntries(ids.map((id) => [id, bytesOf(id)]));
  return { encrypt: aesGcm({ keys, current: ids.at(-1) as string }) };
}

/**
 * The same as a module, for `--codec`.
 * @param ends The signal that the process sends itself when it has encrypted so many payloads
 */
export async function codecFile(
  folder: string,
  ids: readonly string[],
  ends?: { readonly signal: NodeJS.Signals; readonly after: number },
): Promise<string> {
  const keys = ids.map((id) => `${JSON.stringify(id)}: Buffer.from("${bytesOf(id).toString("base64")}", "base64")`);
  const file = join(folder, `${ids.join("-")}-${ends?.signal ?? ""}.mjs`);
  const lines = [
    `import { aesGcm } from ${JSON.stringify(import.meta.resolve("@mcp-task-store/core"))};`,
    `const stage = aesGcm({ keys: { ${keys.join(", ")} }, current: ${JSON.stringify(ids.at(-1))} });`,
    `let left = ${ends?.after ?? Number.POSITIVE_INFINITY};`,
    "const encode = (...given) => {",
    `  if (left-- === 0) process.kill(process.pid, ${JSON.stringify(ends?.signal ?? "SIGKILL")});`,
    "  return stage.encode(...given);",
    "};",
    "export default { encrypt: { ...stage, encode } };",
  ];
  await writeFile(file, lines.join("\n"));
  return file;
}
