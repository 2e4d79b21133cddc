import type { TaskStatus } from "@mcp-task-store/core";
import type { Output } from "./output.ts";

const COLOURS = {
  working: "blue",
  input_required: "yellow",
  completed: "green",
  failed: "red",
  cancelled: "gray",
} as const satisfies Record<TaskStatus, string>;

/** A status in its colour. `text` may be the status with something around it. */
export function painted(output: Output, status: TaskStatus, text: string = status): string {
  return output.style(COLOURS[status], text);
}
