import type { TraceMessage } from "@mcp-task-store/core";

/** How an operation ended. */
export type End = { readonly result: unknown } | { readonly error: unknown };

/** Puts `around` around the operation, inside of what another subscriber has put there. */
export function surround(message: TraceMessage, around: <T>(run: () => T) => T): void {
  const { within } = message;
  message.within = within ? (run) => within(() => around(run)) : around;
}

/** Runs the operation, and calls `ended` once when it has ended. */
export function watched<T>(run: () => T, ended: (end: End) => void): T {
  let outcome: T;
  try {
    outcome = run();
  } catch (error) {
    ended({ error });
    throw error;
  }
  void Promise.resolve(outcome).then(
    (result) => ended({ result }),
    (error: unknown) => ended({ error }),
  );
  return outcome;
}
