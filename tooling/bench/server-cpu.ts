/** The processor time that a database server of this machine has taken. */
import { readdirSync, readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import type { Client } from "pg";

/** So far, in ms, with what the server does for others. */
export type ServerCpu = () => Promise<number>;

/** The unit of /proc on Linux. */
const TICK_MS = 10;

/**
 * Of the server and its processes, also those that have ended. `undefined` if they are not found on
 * this machine, as those of a container.
 */
export async function postgresCpu(client: Client): Promise<ServerCpu | undefined> {
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  const backend = processOf(String(rows[0].pid));
  const server = backend && processOf(backend.parent);
  if (backend?.name !== "postgres" || server?.name !== "postgres") return undefined;
  return async () => {
    const children = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(processOf)
      .filter((process) => process?.parent === backend.parent);
    const { ticks = 0, endedTicks = 0 } = processOf(backend.parent) ?? {};
    return children.reduce((sum, child) => sum + (child?.ticks ?? 0), ticks + endedTicks) * TICK_MS;
  };
}

/** See proc_pid_stat(5). `undefined` if there is no such process. */
function processOf(pid: string) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    const [, parent = "", , , , , , , , , , ...times] = stat.slice(end + 2).split(" ");
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = times.map(Number);
    const name = stat.slice(stat.indexOf("(") + 1, end);
    return { name, parent, ticks: user + system, endedTicks: endedUser + endedSystem };
  } catch {
    return undefined;
  }
}

/** As the server itself tells it. `undefined` if it is on another machine. */
export function redisCpu(redis: Redis, url: string): ServerCpu | undefined {
  if (!["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname)) return undefined;
  return async () => {
    const info = await redis.info("cpu");
    const seconds = info.matchAll(/^used_cpu_(?:sys|user)(?:_children)?:([\d.]+)/gm);
    return [...seconds].reduce((sum, [, value]) => sum + 1000 * Number(value), 0);
  };
}
