import { createHmac } from "node:crypto";
import type { OwnerScope } from "../backend/task-backend.ts";
import { TaskStoreError } from "../contract/errors.ts";

// A cursor is a position with an HMAC over the position and the scope. The key of the HMAC is the
// store's random id. So a cursor of another store or owner, or a changed one, is refused.

function seal(storeId: string, scope: OwnerScope, position: string): string {
  return createHmac("sha256", storeId)
    .update(JSON.stringify([scope?.owner ?? null, scope?.orUnowned ?? null, position]))
    .digest("base64url")
    .slice(0, 22);
}

export function encodeCursor(storeId: string, scope: OwnerScope, position: number): string {
  const text = position.toString(36);
  return `${text}.${seal(storeId, scope, text)}`;
}

/** @throws TaskStoreError `INVALID_CURSOR` */
export function decodeCursor(storeId: string, scope: OwnerScope, cursor: string): number {
  const text = typeof cursor === "string" ? cursor.slice(0, cursor.indexOf(".")) : "";
  if (text === "" || cursor !== `${text}.${seal(storeId, scope, text)}`) {
    throw new TaskStoreError(
      "INVALID_CURSOR",
      "Invalid cursor: pass the nextCursor of the page before, or none for the first page",
    );
  }
  return Number.parseInt(text, 36);
}
