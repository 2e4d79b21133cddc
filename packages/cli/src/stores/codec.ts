import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { PayloadCodec } from "@mcp-task-store/core";
import { UsageError } from "../exit.ts";

/**
 * The codec that a module exports by default. The same module can be the servers' own, so that keys
 * are in one place.
 * @throws UsageError
 */
export async function loadCodec(file: string): Promise<PayloadCodec> {
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    const [reason] = `${(error as Error)?.message ?? error}`.split("\n", 1);
    throw new UsageError(`the codec ${file} cannot be loaded (${reason})`);
  }
  const codec = loaded.default;
  if (typeof codec !== "object" || codec === null || Object.keys(codec).length === 0)
    throw new UsageError(`the codec ${file} must export by default what servers have as their option codec`);
  return codec;
}
