import { isCoded, isFrame } from "../contract/json.ts";

/** The errors in lines of a history. Within a string of JSON, the quotation marks are escaped. */
const ERRORS = /(?<="error":)"(?:[^"\\]|\\.)*"/g;

/**
 * The history, or one line of it, with each error changed. Other parts of a history are no payload.
 * @param change Gets the JSON text of an error and returns the text to put there.
 */
export async function withErrors(history: string, change: (error: string) => Promise<string>): Promise<string> {
  const changed = await Promise.all([...history.matchAll(ERRORS)].map(([error]) => change(error)));
  let next = 0;
  return history.replace(ERRORS, () => changed[next++] as string);
}

/** Decodes the JSON text of an error. It stays as it is if it cannot be read. */
export async function decodedError(error: string, decode: (stored: string) => Promise<string>): Promise<string> {
  const stored = error.slice(1, -1);
  if (!isFrame(stored)) return error;
  const text = await decode(stored);
  return isCoded(text) ? error : text;
}
