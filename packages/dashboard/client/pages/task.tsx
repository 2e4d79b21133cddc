import { useQuery } from "@tanstack/preact-query";
import { ApiError, api } from "../api.ts";
import { quoted } from "../filter-text.ts";
import { ago, clock, isActive, STUCK_LABELS } from "../format.ts";
import { CopyButton, Empty, Failure, Owner, StateBadge, Time, Title } from "../parts/basics.tsx";
import { Payloads } from "../parts/payloads.tsx";
import { QuestionCard } from "../parts/question.tsx";
import { TaskActs } from "../parts/task-acts.tsx";
import { holderName, Timeline } from "../parts/timeline.tsx";
import { Link, pathTo } from "../route.tsx";
import { useHere } from "../session.ts";

/** Leases and takeovers are no changes that a stream tells of. */
const LOOK_MS = 5000;

export function TaskPage({ taskId }: { taskId: string }) {
  const { store } = useHere();
  const { data: task, error } = useQuery({
    queryKey: [store, "task", taskId],
    queryFn: ({ signal }) => api.task(store, taskId, signal),
    refetchInterval: ({ state }) => (state.data && isActive(state.data) ? LOOK_MS : false),
  });
  if (error instanceof ApiError && error.status === 404)
    return (
      <>
        <Title>No such task</Title>
        <Empty>The task was removed, has expired, or never was.</Empty>
      </>
    );
  if (error && !task) return <Failure error={error} />;
  if (!task) return null;
  return (
    <>
      <div class="task-head">
        <div>
          <Title>{task.name}</Title>
          <p class="id">
            <code>{taskId}</code> <CopyButton text={taskId} label="id" /> <StateBadge task={task} />
          </p>
        </div>
        <TaskActs task={task} />
      </div>
      {task.stuck && <p class="notice">{STUCK_LABELS[task.stuck]}.</p>}
      {task.unreadable && task.status === "input_required" && (
        <p class="notice">Its questions are encrypted, and the dashboard's store has no key.</p>
      )}
      <div class="task-body">
        <div class="column">
          {Object.entries(task.questions).map(([key, question]) => (
            <QuestionCard key={key} taskId={taskId} name={key} question={question} />
          ))}
          <Timeline task={task} />
          <Payloads taskId={taskId} revision={task.revision} />
        </div>
        <Facts task={task} />
      </div>
    </>
  );
}

function Facts({ task }: { task: import("../../src/wire.ts").TaskAnswer }) {
  const { store } = useHere();
  const { owner, holder, createdAt, changedAt, expiresAt, claimableAt, at } = task;
  const search = (q: string, text: preact.ComponentChildren) => (
    <Link to={pathTo(store, "tasks", undefined, { q })}>{text}</Link>
  );
  const facts: (readonly [string, preact.ComponentChildren])[] = [
    ["State", <StateBadge key="state" task={task} />],
    ["Message", task.statusMessage ?? <span class="muted">none</span>],
    ["Name", search(`name=${quoted(task.name)}`, task.name)],
    ["Owner", search(owner === null ? "unowned" : `owner=${quoted(owner)}`, <Owner owner={owner} />)],
    ["Held by", holder ? holderName(holder) : <span class="muted">no runner</span>],
    ["Attempts", String(task.attempt)],
    ["Created", <Ago key="made" time={createdAt} now={at} />],
    ["Changed", <Ago key="changed" time={changedAt} now={at} />],
    [
      holder ? "Lease until" : "Claimable",
      claimableAt === undefined ? (
        <span class="muted">no longer</span>
      ) : (
        <Time at={claimableAt}>{clock(claimableAt)}</Time>
      ),
    ],
    [
      "Deleted",
      expiresAt === undefined ? <span class="muted">never</span> : <Time at={expiresAt}>{clock(expiresAt)}</Time>,
    ],
    ["Revision", String(task.revision)],
  ];
  return (
    <section class="card facts" aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Ago({ time, now }: { time: string; now: string }) {
  return (
    <Time at={time}>
      {clock(time)} <span class="muted">({ago(time, now)} ago)</span>
    </Time>
  );
}
