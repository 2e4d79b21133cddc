import { readdir } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { checkName } from "./names.ts";
import { type Options, type Runner, runnerOf, UsageError } from "./options.ts";

/** Everything that the package depends on. */
export interface Answers {
  /** Absolute path of a folder that is new or empty. */
  readonly folder: string;
  readonly name: string;
  readonly runner: Runner;
}

/**
 * Asks for what the command line does not say. Without a terminal it takes the defaults.
 * @throws UsageError for a wrong answer, a folder that is not empty, or no folder at all
 */
export async function answersTo(options: Options): Promise<Answers> {
  const { ask, end } = process.stdin.isTTY ? terminal() : { ask: async (_: string, usual: string) => usual, end() {} };
  try {
    const given = options.folder ?? (await ask("Folder", ""));
    if (given === "") throw new UsageError("Which folder? See --help");
    const folder = resolve(given);
    await checkEmpty(folder);
    const name = options.name ?? (await ask("Name of the package", basename(folder).toLowerCase()));
    checkName(name);
    const runner = options.runner ?? runnerOf(await ask("Runner of the suite, vitest or node", "vitest"));
    return { folder, name, runner };
  } finally {
    end();
  }
}

/** A repository without files is as good as an empty folder. */
async function checkEmpty(folder: string): Promise<void> {
  try {
    const found = (await readdir(folder)).filter((file) => file !== ".git");
    if (found.length > 0) throw new UsageError(`${folder} is not empty: give a folder that is new or empty`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR") throw new UsageError(`${folder} is a file: give a folder that is new or empty`);
    if (code !== "ENOENT") throw error;
  }
}

function terminal() {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  // It keeps lines that are pasted before their question.
  const answers = lines[Symbol.asyncIterator]();
  return {
    async ask(question: string, usual: string): Promise<string> {
      lines.setPrompt(`${question}${usual === "" ? "" : ` (${usual})`}: `);
      lines.prompt();
      const { value, done } = await answers.next();
      if (done) throw new UsageError("Not all questions were answered, so nothing was written");
      return value.trim() || usual;
    },
    end: () => lines.close(),
  };
}
