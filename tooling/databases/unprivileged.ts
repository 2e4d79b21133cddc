import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { dirname } from "node:path";

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Postgres refuses to run as root, so root runs servers as this user. Other users run them as
 * themselves.
 */
export function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const [uid, gid] = ["-u", "-g"].map((option) => idOf(option, name));
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error("neither the user postgres nor the user nobody exists, and servers do not run as root");
}

function idOf(option: string, name: string): number | undefined {
  try {
    return Number(execFileSync("id", [option, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return undefined;
  }
}

/** Whether the folders of a file let users other than the owner reach it. */
export function isReachable(path: string): boolean {
  const folder = dirname(path);
  if (folder === path) return true;
  return (statSync(folder).mode & 0o001) !== 0 && isReachable(folder);
}
