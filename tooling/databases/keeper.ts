import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Belonging, remove } from "./belongings.ts";

/** What the keeper reads, one a line. */
export interface KeeperMessage {
  readonly action: "keep" | "forget";
  readonly belonging: Belonging;
}

let keeper: ChildProcessByStdio<Writable, null, null> | undefined;

/** Sees to it that a belonging does not outlive this process, even if it is killed. Call it before there is one to lose, or at once. */
export function keep(belonging: Belonging): void {
  tell({ action: "keep", belonging });
}

/** Removes a belonging now. */
export async function discard(belonging: Belonging): Promise<void> {
  await remove(belonging);
  tell({ action: "forget", belonging });
}

function tell(message: KeeperMessage): void {
  keeper ??= startKeeper();
  keeper.stdin.write(`${JSON.stringify(message)}\n`);
}

function startKeeper(): ChildProcessByStdio<Writable, null, null> {
  // Detached, or Ctrl-C would end it together with its owner.
  const child = spawn(process.execPath, [fileURLToPath(new URL("keeper-process.ts", import.meta.url))], {
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  child.unref();
  // Its pipe is a socket to Node, and must not keep this process from ending either.
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return child;
}
