import { useQuery } from "@tanstack/preact-query";
import type { StatsAnswer } from "../../src/wire.ts";
import { api } from "../api.ts";
import { quoted } from "../filter-text.ts";
import { ago, duration, number, plural, STUCK_LABELS } from "../format.ts";
import { Link, pathTo } from "../route.tsx";
import { useHere } from "../session.ts";
import { StateBadge } from "./basics.tsx";

/** A task that could be taken for so long has no worker. */
const OLD_MS = 60_000;
/** Failures are a problem from this share of what ended lately. */
const SHARE = 0.1;
const LATELY = 10;
const SHOWN = 8;

interface Problem {
  readonly text: string;
  readonly q: string;
}

export function problemsOf({ names, stuck, counts, minutes }: StatsAnswer): Problem[] {
  const problems: Problem[] = [];
  if (stuck > 0) problems.push({ text: `${plural(stuck, "task seems", "tasks seem")} to need help`, q: "stuck" });
  for (const [name, { claimable, oldestClaimableMs = 0, paused }] of Object.entries(names)) {
    const q = `status=working name=${quoted(name)}`;
    if (paused && claimable > 0)
      problems.push({ text: `${name} is paused, and ${plural(claimable, "task waits", "tasks wait")}`, q });
    else if (oldestClaimableMs > OLD_MS)
      problems.push({ text: `No worker takes ${name}: the oldest task waits for ${duration(oldestClaimableMs)}`, q });
  }
  if (counts.input_required > 0)
    problems.push({
      text: `${plural(counts.input_required, "task waits", "tasks wait")} for an answer`,
      q: "status=input_required",
    });
  const lately = minutes.slice(-LATELY);
  const failed = lately.reduce((sum, minute) => sum + minute.failed, 0);
  const ended = lately.reduce((sum, minute) => sum + minute.failed + minute.completed, 0);
  if (failed > 0 && failed / ended >= SHARE)
    problems.push({
      text: `${number(failed)} of ${plural(ended, "task")} failed in ten minutes`,
      q: "status=failed ended>10m",
    });
  return problems;
}

/** What is wrong now, and the tasks that need help. */
export function Wrong({ stats }: { stats: StatsAnswer }) {
  const { store } = useHere();
  const problems = problemsOf(stats);
  const { data } = useQuery({
    queryKey: [store, "tasks", "stuck"],
    queryFn: ({ signal }) => api.tasks(store, { q: "stuck", order: "oldest", limit: SHOWN }, undefined, signal),
    enabled: stats.stuck > 0,
  });
  return (
    <section class={problems.length > 0 ? "card wrong some" : "card wrong"} aria-labelledby="wrong">
      <h2 id="wrong">{problems.length > 0 ? "Needs attention" : "Nothing needs attention"}</h2>
      {problems.length === 0 && (
        <p class="muted">No task is stuck or waits for an answer, workers take what is there, and few runs fail.</p>
      )}
      <ul class="problems">
        {problems.map(({ text, q }) => (
          <li key={text}>
            <Link to={pathTo(store, "tasks", undefined, { q })}>{text}</Link>
          </li>
        ))}
      </ul>
      {stats.stuck > 0 && data && (
        <ul class="stuck-tasks">
          {data.tasks.map((task) => (
            <li key={task.taskId}>
              <StateBadge task={task} />
              <Link to={pathTo(store, "tasks", task.taskId)}>
                {task.name} <code>{task.taskId}</code>
              </Link>
              <span class="muted">
                {task.stuck ? STUCK_LABELS[task.stuck] : ""}, {ago(task.changedAt, data.at)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
