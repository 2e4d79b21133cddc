import { parseTaskFilter, type TaskFilter } from "@mcp-task-store/core";
import type { Viewer } from "./access.ts";
import { Refusal } from "./failures.ts";

/** Whether the viewer may see tasks of this owner. */
export function sees({ owners }: Viewer, owner: string | undefined): boolean {
  return owners === undefined || owners.includes(owner ?? null);
}

/**
 * The filter of a text, narrowed to what the viewer may see; `undefined` if that is nothing.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 */
export function filterFor(viewer: Viewer, text: string): TaskFilter | undefined {
  const where = parseTaskFilter(text);
  if (where.payload !== undefined && !viewer.payloads)
    throw new Refusal(403, "FORBIDDEN", "You may not search in payloads");
  if (viewer.owners === undefined) return where;
  const { owner } = where;
  const wanted = owner === undefined ? viewer.owners : [owner].flat();
  const owners = wanted.filter((each) => viewer.owners?.includes(each));
  return owners.length === 0 ? undefined : { ...where, owner: owners };
}

/** How many tasks were looked at. To a viewer of some owners, other owners' tasks do not count. */
export function scannedFor({ owners }: Viewer, scanned: number, found: number): number {
  return owners === undefined ? scanned : found;
}
