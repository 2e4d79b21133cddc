/** `npx pnpm@12 demo`. See `demo.ts` for what happens, and `server.ts` for a server to copy. */
import { constants } from "node:os";
import { runDemo } from "./demo.ts";
import { HELP, parseOptions, UsageError } from "./options.ts";

process.exitCode = await main();

async function main(): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // More than once, since both the terminal and pnpm may send it. The clean-up takes seconds at most.
    process.on(signal, () => interrupted.abort(signal));
  }
  // Whoever read the output has gone, as with `| head`.
  process.stdout.on("error", () => interrupted.abort("SIGPIPE"));
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === "help") console.log(HELP);
    else await runDemo(options, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 128 + constants.signals[interrupted.signal.reason as NodeJS.Signals];
    if (error instanceof UsageError) {
      console.error(`demo: ${error.message}\nSee npx pnpm@12 demo --help`);
      return 2;
    }
    console.error(`\n✗ Something is wrong:\n  ${messageOf(error)}`);
    return 1;
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll("\n", "\n  ");
}
