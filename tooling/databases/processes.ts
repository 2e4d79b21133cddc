import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../packages.ts";

/** Freezes a process and its descendants. */
export async function freeze(pid: number): Promise<void> {
  // Stops the parent first, so that no new children appear.
  send(pid, "SIGSTOP");
  for (const member of await family(pid)) send(member, "SIGSTOP");
}

export async function thaw(pid: number): Promise<void> {
  for (const member of await family(pid)) send(member, "SIGCONT");
}

/** Ends a process and its descendants by SIGKILL, and returns when they are gone. */
export async function kill(pid: number): Promise<void> {
  send(pid, "SIGSTOP");
  const members = await family(pid);
  for (const member of members) send(member, "SIGKILL");
  if (!(await gone(members))) throw new Error(`process ${pid} outlived SIGKILL`);
}

/** Asks a process to end, and kills it and its descendants if they do not. */
export async function end(pid: number, signal: NodeJS.Signals): Promise<void> {
  await thaw(pid);
  const members = await family(pid);
  send(pid, signal);
  if (!(await gone(members))) await kill(pid);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  // A zombie counts as ended. Only its parent can remove it.
  return process.platform !== "linux" || statusOf(pid)?.state !== "Z";
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function gone(pids: readonly number[]): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  while (pids.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await sleep(10);
  }
  return true;
}

/**
 * The process and all its descendants. Process groups do not help, as each Postgres backend has its
 * own.
 */
async function family(pid: number): Promise<number[]> {
  const parents = process.platform === "linux" ? parentsByProc() : await parentsByPs();
  const members = [pid];
  for (const member of members) {
    for (const [child, parent] of parents) {
      if (parent === member) members.push(child);
    }
  }
  return members;
}

function parentsByProc(): [number, number][] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), statusOf(Number(name))?.parent ?? 0]);
}

async function parentsByPs(): Promise<[number, number][]> {
  const listing = await run("ps", ["-A", "-o", "pid=,ppid="], { cwd: "/" });
  return listing
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([pid = 0, parent = 0]) => [pid, parent]);
}

function statusOf(pid: number): { state: string; parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command before these fields may hold anything, even parentheses.
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
