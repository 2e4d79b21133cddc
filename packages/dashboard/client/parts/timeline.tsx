import type { HistoryEntry, Holder } from "@mcp-task-store/core";
import type { TaskAnswer } from "../../src/wire.ts";
import { clock, duration, STATE_LABELS, stateOf } from "../format.ts";
import { Link, pathTo } from "../route.tsx";
import { useHere } from "../session.ts";
import { Time } from "./basics.tsx";

interface Event {
  readonly at: string;
  readonly kind: "made" | "taken" | "back" | "ended" | "now";
  readonly what: preact.ComponentChildren;
  readonly detail?: preact.ComponentChildren;
}

export function holderName({ host, pid, worker, version }: Holder): string {
  return `${worker === undefined ? "" : `${worker}${version === undefined ? "" : ` ${version}`} on `}${host}, process ${pid}`;
}

/** The life of a task: its creation, each attempt, its end, and the times in between. */
export function Timeline({ task }: { task: TaskAnswer }) {
  const { store } = useHere();
  let attempt = 0;
  const eventOf = (entry: HistoryEntry): Event => {
    switch (entry.event) {
      case "taken":
        attempt += 1;
        return { at: entry.at, kind: "taken", what: "A runner took it", detail: holderName(entry.holder) };
      case "traced":
        return { at: entry.at, kind: "taken", what: "Its run is traced", detail: entry.traceparent };
      case "given back":
        return {
          at: entry.at,
          kind: "back",
          what: `The runner gave it back${entry.delayMs === undefined ? "" : `, for ${duration(entry.delayMs)} at least`}`,
          detail: entry.error,
        };
      case "requeued":
        return { at: entry.at, kind: "back", what: "An operator put it back into the queue" };
      case "rerun":
        return {
          at: entry.at,
          kind: "back",
          what: "Run again",
          detail: <Link to={pathTo(store, "tasks", entry.taskId)}>{entry.taskId}</Link>,
        };
    }
  };
  const history = task.history.map(eventOf);
  const { createdAt, endedAt, statusMessage, rerunOf } = task;
  const made: Event = {
    at: createdAt,
    kind: "made",
    what: "Created",
    detail:
      rerunOf === undefined ? undefined : (
        <>
          to run <Link to={pathTo(store, "tasks", rerunOf)}>{rerunOf}</Link> again
        </>
      ),
  };
  const state = stateOf(task);
  const last: Event =
    endedAt === undefined
      ? { at: task.at, kind: "now", what: STATE_LABELS[state], detail: statusMessage }
      : { at: endedAt, kind: "ended", what: STATE_LABELS[state], detail: statusMessage };
  const events = [made, ...history, last].toSorted((one, other) =>
    one.at < other.at ? -1 : one.at > other.at ? 1 : 0,
  );
  const missing = task.attempt > attempt;
  return (
    <section class="card" aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      {missing && <p class="muted">The oldest entries were dropped, so that the history stays short.</p>}
      <ol class="timeline">
        {events.map(({ at, kind, what, detail }, index) => {
          const before = events[index - 1];
          return (
            <li key={index} class={kind === "ended" || kind === "now" ? `${kind} ${state}` : kind}>
              <div class="when">
                <Time at={at}>{kind === "now" ? "now" : clock(at)}</Time>
                {before && <span class="muted">+{duration(Date.parse(at) - Date.parse(before.at))}</span>}
              </div>
              <div>
                <strong>{what}</strong>
                {detail !== undefined && <div class="detail">{detail}</div>}
              </div>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
