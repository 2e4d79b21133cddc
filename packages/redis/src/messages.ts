import type { PushOutcome } from "@mcp-task-store/core/backend";
import type { Commands } from "./commands.ts";

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
}
