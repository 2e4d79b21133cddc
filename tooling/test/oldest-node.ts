import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../packages.ts";

/** The oldest Node that the packages support, such as `22.14`. */
export function oldestNode(): string {
  const { engines } = JSON.parse(readFileSync(join(repositoryRoot, "packages/core/package.json"), "utf8"));
  const oldest = /^\^(\d+\.\d+)/.exec(engines.node)?.[1];
  if (oldest === undefined) throw new Error(`engines say ${engines.node}`);
  return oldest;
}
