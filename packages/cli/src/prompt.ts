import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { UsageError } from "./exit.ts";
import { clean } from "./output/text.ts";

/**
 * Asks on the terminal, and resolves to whether the answer was yes.
 * @throws UsageError without a terminal
 */
export async function confirmed(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError("there is no terminal to ask on: give --yes to go on without a question, or --dry-run");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // In this mode of the terminal, Ctrl-C is a key and no signal. On Windows, `process.kill` would
  // end the process without its listeners.
  terminal.on("SIGINT", () => process.emit("SIGINT"));
  try {
    // The end of the input is no answer.
    const ended = once(terminal, "close", { signal }).then(() => "");
    ended.catch(() => undefined);
    const answer = await Promise.race([terminal.question(`${clean(question)} [y/N] `, { signal }), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
