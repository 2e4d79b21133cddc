import type { PushOutcome } from "@mcp-task-store/core/backend";
import type { Commands } from "./commands.ts";

/** Most queues read by one script. */
const PEEK_BATCH = 20;

/** The queues of messages. */
export class Messages {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    const size = await this.#commands.run("push", taskId, [taskId, message, `${maxSize ?? ""}`, `${ttl}`]);
    return size === null ? { pushed: true } : { pushed: false, size: Number(size) };
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    return (await this.#commands.run("shift", taskId, [taskId, `${limit ?? ""}`])) as string[];
  }

  /** The unexpired messages, which stay. */
  async peek(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    const found: { taskId: string; message: string; expiresAt: number }[] = [];
    for (let at = 0; at < taskIds.length; at += PEEK_BATCH) {
      const answer = await this.#commands.run("peek", "", taskIds.slice(at, at + PEEK_BATCH));
      for (const [taskId, expiresAt, message] of answer as [string, string, string][])
        found.push({ taskId, message, expiresAt: Number(expiresAt) });
    }
    return found;
  }
}
