import type { TaskStoreError } from "@mcp-task-store/core";
import { unavailable } from "@mcp-task-store/core/backend";

/**
 * Reports a server whose settings allow it to evict tasks, as its INFO says.
 * @throws TaskStoreError `BACKEND_UNAVAILABLE` for a server that is too old
 */
export function reportServer(info: string, report: (error: TaskStoreError) => void): void {
  const fields = new Map(info.split("\r\n").map((line) => line.split(":", 2) as [string, string]));
  const version = fields.get("redis_version");
  if (version !== undefined && Number.parseInt(version, 10) < 7)
    throw unavailable("The server is older than Redis 7.0, the oldest that has all that the store needs");
  const policy = fields.get("maxmemory_policy");
  if (Number(fields.get("maxmemory")) > 0 && policy !== undefined && policy !== "noeviction")
    report(
      unavailable(
        `Redis may evict tasks when memory is short: its maxmemory-policy is ${policy}, set it to noeviction`,
      ),
    );
}
