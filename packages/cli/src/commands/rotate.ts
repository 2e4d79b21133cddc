import type { RotationOutcome, RotationProgress } from "@mcp-task-store/core";
import { DRY_RUN } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { bar, count } from "../output/text.ts";

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: true,
  options: {
    ...DRY_RUN,
    cursor: { type: "string", value: "CURSOR", help: "go on where a rotation was interrupted" },
  },
  details:
    "Encrypts payloads by the present key of the codec, if they are plain or of an older key. Servers may use the store meanwhile, and need the new key before. The command may be interrupted and begun again. It ends with 1 if payloads are left that it could not encrypt.",
  async run({ values, output, signal, settings, open }) {
    if (settings.codec === undefined)
      throw new UsageError(
        'rotate needs the keys of the store: give --codec, or write a "codec" into the configuration',
      );
    const dryRun = values["dry-run"] ?? false;
    const { store } = await open();
    let cursor: string | undefined;
    const onProgress = (soFar: RotationProgress) => {
      cursor = soFar.cursor;
      output.progress(`${bar(soFar.portion)} ${count(soFar.tasks, "task")}, ${doneText(soFar, dryRun)}`);
    };
    let outcome: RotationOutcome;
    try {
      outcome = await store.operations.rotatePayloads({ dryRun, cursor: values.cursor, signal, onProgress });
    } catch (error) {
      if (cursor !== undefined) output.note(`go on with --cursor ${cursor}`);
      throw error;
    }
    const { tasks, current, unreadable, reasons, changed, events } = outcome;
    if (output.json) output.document({ dryRun, ...outcome });
    else {
      output.endProgress();
      output.line(
        `${doneText(outcome, dryRun)} of ${count(tasks, "task")}; ${count(current, "payload")} had the present key`,
      );
      if (unreadable > 0) output.error(`left ${count(unreadable, "payload")} as they are. ${reasons.join(". ")}`);
      if (changed > 0)
        output.error(`${count(changed, "payload")} changed meanwhile, again and again: run rotate again`);
      if (events > 0)
        output.note(
          `${count(events, "event")} of notifiers still ${events === 1 ? "has" : "have"} a text of another key, until delivered`,
        );
    }
    return unreadable + changed > 0 ? EXIT.failed : EXIT.ok;
  },
});

function doneText({ rotated }: Pick<RotationOutcome, "rotated">, dryRun: boolean): string {
  return `${dryRun ? "would have " : ""}encrypted ${count(rotated, "payload")}`;
}
