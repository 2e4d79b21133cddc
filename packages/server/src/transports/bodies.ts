import type { QuotaLimit } from "@mcp-task-store/core/backend";
import type { ExtensionContext } from "../extension-context.ts";
import type { TaskCaller } from "../options.ts";
import { asProtocolError } from "../protocol/wire.ts";

/** Seconds after which a client may repeat a request that found no room for its body. */
const RETRY_AFTER_S = 1;
const STATUS: Readonly<Record<QuotaLimit, number>> = { own: 429, all: 503 };

/** The room of one request among the bytes that the server holds. */
export interface Room {
  /** Takes room for bytes of the body, or returns the response that refuses them. */
  take(bytes: number): Response | undefined;
  /** Gives back all that was taken. */
  free(): void;
}

export function roomFor(extension: ExtensionContext, caller: TaskCaller): Room {
  const { bodies } = extension;
  const owner = extension.countedAs(caller);
  const frees: (() => void)[] = [];
  return {
    take(bytes) {
      const full = bodies.fullFor(owner, bytes);
      if (full) return refused(STATUS[full], asProtocolError(bodies.error(full)), RETRY_AFTER_S);
      frees.push(bodies.take(owner, bytes));
      return undefined;
    },
    free() {
      for (const free of frees) free();
    },
  };
}

/** The answer to a request whose id is not known. */
export function refused(
  status: number,
  { code, message, data }: { readonly code: number; readonly message: string; readonly data?: unknown },
  retryAfterS?: number,
): Response {
  const headers = retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) };
  return Response.json({ jsonrpc: "2.0", error: { code, message, data }, id: null }, { status, headers });
}
