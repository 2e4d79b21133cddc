/** Shared by the commands of this folder: errors about options, interruptions, and exit codes. */
import { constants } from "node:os";

/** An invalid option. */
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
  /** It may take seconds to end after an interruption. */
  run(options: Options, interrupted: AbortSignal): Promise<void>;
  /** Prints the error. */
  failed(error: unknown): void;
}

/** Runs the command with this process's arguments, and sets the exit code. */
export async function runCommand<Options>(command: Command<Options>): Promise<void> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // Handles repeated signals, since both the terminal and pnpm may send one.
    process.on(signal, () => interrupted.abort(signal));
  }
  // The reader of the output may end first, as with `| head`.
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
