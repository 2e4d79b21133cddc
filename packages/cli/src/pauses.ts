import type { TaskOperations } from "@mcp-task-store/core";
import { DRY_RUN } from "./acts.ts";
import { type Command, defineCommand } from "./command.ts";
import { EXIT } from "./exit.ts";

/** The command that pauses or resumes claims. Each can be undone by the other, so neither asks. */
export function pauseCommand(done: "paused" | "resumed", details: string): Command {
  const change = (operations: TaskOperations, name: string) =>
    done === "paused" ? operations.pauseClaims(name) : operations.resumeClaims(name);
  return defineCommand({
    usage: "<name>...",
    arity: [1, Number.POSITIVE_INFINITY],
    writes: true,
    options: DRY_RUN,
    details,
    async run({ values, arguments: names, output, open }) {
      const { operations } = (await open()).store;
      const dryRun = values["dry-run"] ?? false;
      if (!dryRun) for (const name of names) await change(operations, name);
      const paused = await operations.pausedNames();
      if (output.json) output.document({ dryRun, paused });
      else {
        output.line(`${dryRun ? "would have " : ""}${done} ${names.join(", ")}`);
        output.line(paused.length > 0 ? `paused now: ${paused.join(", ")}` : "no name is paused now");
      }
      return EXIT.ok;
    },
  });
}
