import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Belonging, remove } from "./belongings.ts";

/** The keeper's input, one message per line. */
export interface KeeperMessage {
  readonly action: "keep" | "forget";
  readonly belonging: Belonging;
}

let keeper: ChildProcessByStdio<Writable, null, null> | undefined;

/**
 * Removes a belonging at the end of this process, even if the process is killed. Call it before the
 * belonging is made, or right after.
 */
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
  // Detached, because Ctrl-C would end the keeper together with its owner.
  const child = spawn(process.execPath, [fileURLToPath(new URL("keeper-process.ts", import.meta.url))], {
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  child.unref();
  // To Node its pipe is a socket, which must not keep this process alive either.
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return child;
}
