import { PAYLOAD_FIELDS } from "../backend/stored-task.ts";
import type { TaskBackend } from "../backend/task-backend.ts";
import { CODED } from "../contract/json.ts";
import { readFrame } from "./frame.ts";

/** Tasks that are read at once. */
const STEP = 100;

/** The notes that a stage left in the payloads of these tasks: see `StagedTasks`. */
export async function stagedNotes(
  backend: TaskBackend,
  stageId: string,
  taskIds: readonly string[],
): Promise<Map<string, Set<string>>> {
  const notes = new Map<string, Set<string>>();
  const see = (taskId: string, stored: string | null | undefined) => {
    const found = notes.get(taskId) ?? new Set();
    notes.set(taskId, found);
    const note = noteIn(stored, stageId);
    if (note !== undefined) found.add(note);
  };
  for (let index = 0; index < taskIds.length; index += STEP) {
    const step = taskIds.slice(index, index + STEP);
    for (const task of await backend.readMany(step, PAYLOAD_FIELDS))
      for (const field of PAYLOAD_FIELDS) see(task.taskId, task[field]);
    for (const { taskId, body } of (await backend.stepsOf?.(step)) ?? []) see(taskId, body);
  }
  return notes;
}

/** The note of a stage whose frame is the outermost one of a stored text. */
export function noteIn(stored: string | null | undefined, stageId: string): string | undefined {
  // Most texts are not of the stage, and long.
  return stored?.startsWith(`${CODED}${stageId}|`) ? readFrame(stored)?.note : undefined;
}
