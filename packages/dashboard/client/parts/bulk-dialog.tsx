import { useQueryClient } from "@tanstack/preact-query";
import { useEffect, useState } from "preact/hooks";
import type { BulkLine } from "../../src/wire.ts";
import { api, type BulkAction } from "../api.ts";
import { plural } from "../format.ts";
import { useHere } from "../session.ts";
import { Dialog } from "./dialog.tsx";
import { say } from "./toasts.tsx";

type Outcome = Extract<BulkLine, { outcome: unknown }>["outcome"];

const WORDS: Readonly<Record<BulkAction, { title: string; act: string; doing: string; done: string; note: string }>> = {
  cancel: {
    title: "Cancel tasks",
    act: "Cancel",
    doing: "Cancelling",
    done: "cancelled",
    note: "Their runners are told to stop. This cannot be undone.",
  },
  rerun: {
    title: "Run tasks again",
    act: "Run again",
    doing: "Running again",
    done: "run again",
    note: "A new task is made of each request. Tasks that were run again before are skipped.",
  },
  remove: {
    title: "Remove tasks",
    act: "Remove",
    doing: "Removing",
    done: "removed",
    note: "The tasks and their results are deleted. This cannot be undone.",
  },
};

const SKIPPED: Readonly<Record<string, string>> = {
  ended: "have ended",
  active: "are active",
  changed: "have changed meanwhile, or were run again",
};

/** Counts what an act on everything that matches would do, and does it when that is confirmed. */
export function BulkDialog({ action, q, onClose }: { action: BulkAction; q: string; onClose: () => void }) {
  const { store } = useHere();
  const client = useQueryClient();
  const words = WORDS[action];
  const [dryRun, setDryRun] = useState(true);
  const [seen, setSeen] = useState<Outcome>();
  const [planned, setPlanned] = useState<Outcome>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const stop = new AbortController();
    const onLine = (line: BulkLine) => {
      if ("error" in line) setProblem(line.error.message);
      else if ("progress" in line) setSeen(line.progress);
      else if (line.dryRun) setPlanned(line.outcome);
      else {
        say(`${plural(line.outcome.done, "task")} ${words.done}`);
        onClose();
      }
    };
    setSeen(undefined);
    api
      .bulk(store, action, { q, dryRun }, onLine, stop.signal)
      .catch((error: Error) => stop.signal.aborted || setProblem(error.message))
      .finally(() => dryRun || client.invalidateQueries({ queryKey: [store] }));
    return () => stop.abort();
  }, [dryRun]);
  const close = () => {
    if (!dryRun && problem === undefined) say(`Stopped: ${plural(seen?.done ?? 0, "task")} ${words.done}`);
    onClose();
  };
  return (
    <Dialog title={words.title} onClose={close}>
      <p>
        {q === "" ? (
          "Every task of the store"
        ) : (
          <>
            Tasks that match <code>{q}</code>
          </>
        )}
      </p>
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div aria-live="polite">
        {dryRun && !planned && problem === undefined && <p>Counting… {seen && plural(seen.done, "task")}</p>}
        {dryRun && planned && (
          <>
            <p class="big">
              {plural(planned.done, "task")} would be {words.done}.
            </p>
            <ul class="skipped">
              {Object.entries(planned.skipped).map(([why, count]) => (
                <li key={why}>
                  {plural(count ?? 0, "task")} {SKIPPED[why]}, and would be skipped.
                </li>
              ))}
            </ul>
            {planned.done > 0 && <p class="muted">{words.note}</p>}
          </>
        )}
        {!dryRun && problem === undefined && (
          <>
            <p class="big">
              {words.doing}… {seen ? `${plural(seen.done, "task")} so far` : ""}
            </p>
            <progress max={planned?.done ?? 1} value={seen?.done ?? 0} aria-label="Progress" />
            <p class="muted">If you close this, the work ends where it is.</p>
          </>
        )}
      </div>
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          {dryRun && problem === undefined ? "Keep them as they are" : "Close"}
        </button>
        {dryRun && planned !== undefined && planned.done > 0 && (
          <button type="button" class={action === "rerun" ? "main" : "danger"} onClick={() => setDryRun(false)}>
            {words.act} {plural(planned.done, "task")}
          </button>
        )}
      </div>
    </Dialog>
  );
}
