/** `npx pnpm@12 demo`. See `demo.ts` for the steps, and `server.ts` for a server to copy. */
import { runCommand } from "../command.ts";
import { runDemo } from "./demo.ts";
import { HELP, parseOptions } from "./options.ts";

await runCommand({
  name: "demo",
  help: HELP,
  parse: parseOptions,
  run: runDemo,
  failed(error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`\n✗ Something is wrong:\n  ${message.replaceAll("\n", "\n  ")}`);
  },
});
