import type { TaskContext } from "@mcp-task-store/core";
import { Injectable } from "@nestjs/common";

/** What the tool leaves for the run. */
export type Order = { frames: number };

@Injectable()
export class Renderer {
  async render(task: TaskContext<number, Order>) {
    const { frames } = task.context;
    for (let done = task.checkpoint ?? 0; done < frames; done += 1) {
      task.signal.throwIfAborted();
      // ... render a frame ...
      await task.progress(`${done + 1} of ${frames}`, done + 1);
    }
    return { content: [{ type: "text", text: `${frames} rendered` }] };
  }
}
