import type { Percentiles } from "@mcp-task-store/core";
import type { StatsAnswer } from "../../src/wire.ts";
import { duration, number } from "../format.ts";
import { Failure, Title } from "../parts/basics.tsx";
import { Chart, type Series } from "../parts/chart.tsx";
import { Wrong } from "../parts/wrong.tsx";
import { Link, pathTo } from "../route.tsx";
import { useHere, useStats } from "../session.ts";

type Minute = StatsAnswer["minutes"][number];

export function OverviewPage() {
  const { data: stats, error } = useStats();
  return (
    <>
      <Title>Overview</Title>
      {error && !stats && <Failure error={error} />}
      {stats && (
        <>
          <Tiles stats={stats} />
          <div class="overview">
            <Wrong stats={stats} />
            <Throughput minutes={stats.minutes} />
            <Times title="Waiting time" of="waitMs" what="Creation to first runner" minutes={stats.minutes} />
            <Times title="Running time" of="runMs" what="Last start to end" minutes={stats.minutes} />
          </div>
          {!stats.complete && (
            <p class="muted">The newest {number(stats.scanned)} tasks were counted; older ended tasks were not.</p>
          )}
        </>
      )}
    </>
  );
}

function Tiles({ stats }: { stats: StatsAnswer }) {
  const { store } = useHere();
  const { counts, running, claimable, oldestClaimableMs } = stats;
  const queued = Math.max(0, counts.working - running);
  const tiles: (readonly [string, string, string, string])[] = [
    ["Running", number(running), "running", "status=working"],
    ["Queued", number(queued), "queued", "status=working"],
    ["Needs input", number(counts.input_required), "input", "status=input_required"],
    ["Completed", number(counts.completed), "completed", "status=completed"],
    ["Failed", number(counts.failed), "failed", "status=failed"],
    ["Cancelled", number(counts.cancelled), "cancelled", "status=cancelled"],
  ];
  return (
    <ul class="tiles">
      {tiles.map(([label, value, kind, q]) => (
        <li key={label}>
          <Link to={pathTo(store, "tasks", undefined, { q })}>
            <span class={`state ${kind}`}>{label}</span>
            <strong>{value}</strong>
          </Link>
        </li>
      ))}
      <li>
        <Link to={pathTo(store, "tasks", undefined, { q: "status=active", order: "oldest" })}>
          <span class="muted">Oldest claimable</span>
          <strong>{oldestClaimableMs === undefined ? "none" : duration(oldestClaimableMs)}</strong>
          <span class="muted">{number(claimable)} claimable</span>
        </Link>
      </li>
    </ul>
  );
}

function Throughput({ minutes }: { minutes: readonly Minute[] }) {
  const kinds = ["completed", "failed", "cancelled"] as const;
  const sums = kinds.map((kind) => minutes.reduce((sum, minute) => sum + minute[kind], 0));
  const series: Series[] = kinds.map((kind) => ({
    label: kind[0]?.toUpperCase() + kind.slice(1),
    color: kind,
    values: minutes.map((minute) => minute[kind]),
  }));
  return (
    <Chart
      title="Ended per minute"
      summary={`In the last hour: ${kinds.map((kind, index) => `${number(sums[index] ?? 0)} ${kind}`).join(", ")}`}
      times={minutes.map(({ minute }) => minute)}
      series={series}
      stacked
      format={(value) => (Number.isInteger(value) ? number(value) : "")}
    />
  );
}

const SHARES = ["p50", "p95", "p99"] as const;

interface TimesProps {
  readonly title: string;
  readonly of: "waitMs" | "runMs";
  readonly what: string;
  readonly minutes: readonly Minute[];
}

function Times({ title, of, what, minutes }: TimesProps) {
  const latest: Percentiles | undefined = minutes.findLast((minute) => minute[of] !== undefined)?.[of];
  const values = latest && SHARES.map((share) => `${share} ${duration(latest[share])}`).join(", ");
  return (
    <Chart
      title={title}
      summary={values === undefined ? "No runs ended in the last hour" : `${what}: ${values}`}
      times={minutes.map(({ minute }) => minute)}
      series={SHARES.map((share) => ({
        label: share,
        color: `series-${share}`,
        values: minutes.map((minute) => minute[of]?.[share] ?? null),
      }))}
      format={duration}
    />
  );
}
