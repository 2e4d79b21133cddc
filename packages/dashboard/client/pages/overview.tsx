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
  const { counts, running, claimable, oldestClaimableMs, stuck } = stats;
  const oldest = oldestClaimableMs === undefined ? "none waits" : `oldest ${duration(oldestClaimableMs)}`;
  const tiles: (readonly [string, number, string, string, string?])[] = [
    ["Working", counts.working, "running", "status=working", `${number(running)} held`],
    ["Claimable", claimable, "queued", "status=active", oldest],
    ["Needs input", counts.input_required, "input", "status=input_required"],
    ["Stuck", stuck, "input", "stuck"],
    ["Completed", counts.completed, "completed", "status=completed"],
    ["Failed", counts.failed, "failed", "status=failed"],
    ["Cancelled", counts.cancelled, "cancelled", "status=cancelled"],
  ];
  return (
    <ul class="tiles">
      {tiles.map(([label, value, kind, q, note]) => (
        <li key={label}>
          <Link to={pathTo(store, "tasks", undefined, { q, order: label === "Claimable" ? "oldest" : "" })}>
            <span class={`state ${kind}`}>{label}</span>
            <strong>{number(value)}</strong>
            {note !== undefined && <span class="muted">{note}</span>}
          </Link>
        </li>
      ))}
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
