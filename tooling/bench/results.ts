/** The results of a store, as they are kept. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import type { Machine } from "./machine.ts";
import { pageOf } from "./page.ts";
import type { InForce } from "./places.ts";
import type { Row, Settings, StoreName } from "./scenario.ts";

/** One scenario on one variant of a store. */
export interface Section {
  readonly scenario: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly variant: string;
  readonly server: string;
  /** Those in force, as the database told them. */
  readonly settings: InForce;
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly bench: Settings;
  readonly rows: readonly Row[];
}

export interface Results {
  readonly store: StoreName;
  readonly sections: readonly Section[];
}

/** Writes `<store>.json`, `<store>.svg` and `<store>.md`; sections of other scenarios stay as they are. Returns the paths. */
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

/** Four digits are more than were measured. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(Number.isInteger(value) ? 15 : 4)) : value;
}
