import { parseArgs } from "node:util";

export const RUNNERS = ["vitest", "node"] as const;
export type Runner = (typeof RUNNERS)[number];

/** A wrong command line. */
export class UsageError extends Error {}

/** A command line. What it does not say is undefined. */
export interface Options {
  readonly help: boolean;
  readonly folder: string | undefined;
  readonly name: string | undefined;
  readonly runner: Runner | undefined;
}

export const HELP = `Starts a package with a store for MCP tasks over a database of your own.

Usage: npm create mcp-task-backend <folder> -- [options]

  --name NAME           name of the package (the folder's name)
  --runner vitest|node  what runs the conformance suite: vitest, or node:test (vitest)
  -h, --help            this text

On a terminal it asks for what is missing. The folder must be new or empty.`;

/** @throws UsageError */
export function parse(args: readonly string[]): Options {
  const options = {
    name: { type: "string" },
    runner: { type: "string" },
    help: { type: "boolean", short: "h" },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (positionals.length > 1) throw new Error(`One folder, not ${positionals.length}`);
    return {
      help: values.help ?? false,
      folder: positionals[0],
      name: values.name,
      runner: values.runner === undefined ? undefined : runnerOf(values.runner),
    };
  } catch (error) {
    // Node's first sentence says what is wrong, and the others how to quote an argument.
    const [sentence = ""] = (error as Error).message.split(/\. |\n/, 1);
    throw new UsageError(`${sentence}: see --help`);
  }
}

/** @throws UsageError */
export function runnerOf(text: string): Runner {
  const runner = RUNNERS.find((each) => each === text);
  if (!runner) throw new UsageError(`The runner is ${RUNNERS.join(" or ")}`);
  return runner;
}
