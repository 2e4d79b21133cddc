/** What the commands of this folder have in common: options that cannot be right, interruptions, and exit codes. */
import { constants } from "node:os";

/** An option that cannot be right. */
export class UsageError extends Error {}

export function asUsageError<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export interface Command<Options> {
  /** As in `npx pnpm@12 <name>`. */
  readonly name: string;
  readonly help: string;
  /** @throws UsageError */
  parse(args: string[]): Options | "help";
  /** May take seconds to end once it is interrupted. */
  run(options: Options, interrupted: AbortSignal): Promise<void>;
  /** Says what went wrong. */
  failed(error: unknown): void;
}

/** Runs it with the arguments of this process, whose exit code it sets. */
export async function runCommand<Options>(command: Command<Options>): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // More than once, since both the terminal and pnpm may send it.
    process.on(signal, () => interrupted.abort(signal));
  }
  // Whoever read the output has gone, as with `| head`.
  process.stdout.on("error", () => interrupted.abort("SIGPIPE"));
  process.exitCode = await exitCodeOf(command, interrupted);
}

async function exitCodeOf<Options>(command: Command<Options>, interrupted: AbortController): Promise<number> {
  try {
    const options = command.parse(process.argv.slice(2));
    if (options === "help") console.log(command.help);
    else await command.run(options, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 128 + constants.signals[interrupted.signal.reason as NodeJS.Signals];
    if (error instanceof UsageError) {
      console.error(`${command.name}: ${error.message}\nSee npx pnpm@12 ${command.name} --help`);
      return 2;
    }
    command.failed(error);
    return 1;
  }
}
