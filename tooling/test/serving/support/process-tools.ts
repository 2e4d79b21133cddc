import { isTaskStoreError } from "@mcp-task-store/core";
import type { TasksExtension } from "@mcp-task-store/server";
import type { McpServer } from "@modelcontextprotocol/server";
import { aborted } from "../../fixtures/events.ts";
import { FORM, text } from "./instance.ts";

/** A tool's report to the test. */
export interface ToolEvent {
  readonly event: "started" | "aborted" | "closed";
  readonly tool: string;
  readonly taskId: string;
  readonly reason?: string;
}

export const form = (message: string) => ({ ...FORM, message });

/**
 * Tools for servers that die. The first run goes on until it is stopped. A later run names the
 * server of the run before.
 */
export function registerTools(tasks: TasksExtension, server: McpServer, say: (event: ToolEvent) => void): void {
  for (const [tool, onLost] of [
    ["work", "rerun"],
    ["once", "fail"],
  ] as const)
    tasks.registerTool(server, tool, { task: "required", onLost }, async (_, task) => {
      const { taskId, checkpoint, attempt, signal } = task;
      if (checkpoint !== undefined) return text(`attempt ${attempt} after ${(checkpoint as { pid: number }).pid}`);
      await task.progress("half-way", { pid: process.pid });
      say({ event: "started", tool, taskId });
      const reason = await aborted(signal);
      say({ event: "aborted", tool, taskId, reason: isTaskStoreError(reason) ? reason.code : String(reason) });
      throw reason;
    });
  tasks.registerTool(server, "ask", { task: "required" }, async (_, task) => {
    const first = await task.elicit(form("First?"));
    const second = await task.elicit(form("Second?"));
    return text([first, second].map(({ content }) => content?.["name"]).join(" "));
  });
  for (const [tool, onLost] of [
    ["unborn", "rerun"],
    ["unborn-once", "fail"],
    ["unsaved", "rerun"],
    ["quick", "rerun"],
  ] as const)
    tasks.registerTool(server, tool, { task: "required", onLost }, (_, { attempt }) => text(`${tool} ${attempt}`));
}
