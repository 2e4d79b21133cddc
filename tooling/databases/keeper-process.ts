/**
 * Runs beside a process with belongings. When its stdin ends, that process is gone, and the keeper
 * removes its belongings.
 */
import { createInterface } from "node:readline";
import { type Belonging, remove } from "./belongings.ts";
import type { KeeperMessage } from "./keeper.ts";

const kept = new Map<string, Belonging>();
for await (const line of createInterface({ input: process.stdin })) {
  const { action, belonging }: KeeperMessage = JSON.parse(line);
  if (action === "keep") kept.set(JSON.stringify(belonging), belonging);
  else kept.delete(JSON.stringify(belonging));
}

// Removes a folder after the server that writes to it.
const folders = [...kept.values()].filter(({ kind }) => kind === "directory");
const others = [...kept.values()].filter(({ kind }) => kind !== "directory");
for (const belongings of [others, folders]) {
  for (const outcome of await Promise.allSettled(belongings.map(remove))) {
    if (outcome.status === "rejected") console.error("left behind:", outcome.reason);
  }
}
