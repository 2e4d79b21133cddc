/**
 * Returns the error with another message, also at the head of its stack, because runners show one
 * or the other.
 */
export function reworded(error: unknown, reword: (message: string) => string): Error {
  const failure = error instanceof Error ? error : new Error(String(error));
  const { message, stack } = failure;
  const text = reword(message);
  // Some errors, such as those of `AbortSignal.timeout`, have a message that cannot be set.
  if (!Object.getOwnPropertyDescriptor(failure, "message")?.writable) return new Error(text, { cause: failure });
  failure.message = text;
  if (stack !== undefined) failure.stack = stack.replace(message, () => text);
  return failure;
}

/**
 * Returns the error of a case with a message that says which rule it is about, what the case did,
 * and what it saw. That ends with all causes: not every runner shows them, and the last one is the
 * driver's error.
 */
export function failed(rule: string, steps: readonly string[], error: unknown): Error {
  const causes = [...causesOf(error)].map((cause) => `\n    caused by ${described(cause)}`);
  const done = steps.length === 0 ? ["nothing yet"] : steps;
  return reworded(error, (message) =>
    [rule, "  Done:", ...done.map((step) => `    ${step}`), `  Seen: ${message}${causes.join("")}`].join("\n"),
  );
}

function* causesOf(error: unknown): Generator<unknown> {
  const seen = new Set<unknown>([undefined]);
  let { cause } = Object(error) as { cause?: unknown };
  while (!seen.has(cause)) {
    yield cause;
    seen.add(cause);
    cause = (Object(cause) as { cause?: unknown }).cause;
  }
}

function described(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code, errors = [] } = cause as { code?: unknown; errors?: unknown[] };
  const message = cause.message || errors.map(described).join("; ");
  return `${cause.name}${code === undefined ? "" : ` (${code})`}: ${message}`;
}

/** Adds the string to the message of a failure, in a case over many strings. */
export async function naming<T>(text: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw reworded(error, (message) => `With the string ${shown(text)}: ${message}`);
  }
}

/** A string in quotation marks and printable ASCII, shortened when it is long. */
export function shown(text: string): string {
  const escaped = JSON.stringify(text.slice(0, 80)).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length <= 80 ? escaped : `${escaped}... (${text.length} characters)`;
}
