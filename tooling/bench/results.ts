/** Reads and writes the results of a store. */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { pageOf } from "./page.ts";
import type { Results, Section } from "./section.ts";

/**
 * Writes `<store>.json`, `<store>.svg` and `<store>.md`. Sections of other scenarios stay. Returns
 * the paths.
 */
export async function write(folder: string, { store, sections }: Results, order: readonly string[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const path = (extension: string) => join(folder, `${store}.${extension}`);
  const [json, svg, page] = [path("json"), path("svg"), path("md")] as const;
  const keyOf = ({ scenario, variant }: Section) => JSON.stringify([scenario, variant]);
  const all = new Map((await kept(json)).map((section) => [keyOf(section), section]));
  for (const section of sections) all.set(keyOf(section), section);
  const sorted = [...all.values()].toSorted((a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario));
  const results: Results = { store, sections: sorted };
  await writeFile(json, `${JSON.stringify(results, rounded, 2)}\n`);
  await writeFile(svg, chartOf(results));
  await writeFile(page, pageOf(results));
  return [json, svg, page];
}

async function kept(path: string): Promise<readonly Section[]> {
  try {
    return (JSON.parse(await readFile(path, "utf8")) as Results).sections;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Four digits are more than the precision of the measurement. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(Number.isInteger(value) ? 15 : 4)) : value;
}
