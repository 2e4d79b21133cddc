import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { readmeFences } from "../../../../tooling/readmes.ts";

/** For the top of a test file: what a program of this package's README exports. */
export function useReadme<Exports>(title: string): () => Exports {
  let folder = "";
  let exports: Exports;
  beforeAll(async () => {
    const fence = readmeFences().find(
      ({ readme, file }) => readme === "tooling/docs/stores/postgres.md" && file === title,
    );
    const scratch = fileURLToPath(new URL("../.scratch", import.meta.url));
    await mkdir(scratch, { recursive: true });
    folder = await mkdtemp(join(scratch, "readme-"));
    const path = join(folder, title);
    await writeFile(path, fence?.code ?? "");
    exports = await import(path);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => exports;
}
