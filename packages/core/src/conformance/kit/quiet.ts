/**
 * Marks a rejection as handled, whenever the case awaits it. A case starts many calls before it
 * awaits the first one. If it fails, it never awaits the rest. In both cases an unhandled rejection
 * would end the process.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

const expected = new Set<unknown>();
let emitWarning: typeof process.emitWarning | undefined;

/**
 * Runs `body`, which makes this error a process warning. The warning is not printed, because it
 * would look like a failure.
 */
export async function withoutWarning(error: Error, body: () => Promise<void>): Promise<void> {
  emitWarning ??= process.emitWarning;
  const shown = emitWarning;
  process.emitWarning = ((warning: unknown, ...rest: unknown[]) => {
    if (!expected.has(warning)) Reflect.apply(shown, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  expected.add(error);
  try {
    await body();
  } finally {
    expected.delete(error);
    if (expected.size === 0) {
      process.emitWarning = shown;
      emitWarning = undefined;
    }
  }
}
