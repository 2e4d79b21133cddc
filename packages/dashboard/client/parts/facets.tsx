import type { StatsAnswer } from "../../src/wire.ts";
import { has, toggled } from "../filter-text.ts";
import { number, STATE_LABELS } from "../format.ts";

const TOP = 8;
const STATUSES = [
  ["working", "Working"],
  ["input_required", STATE_LABELS.input],
  ["completed", STATE_LABELS.completed],
  ["failed", STATE_LABELS.failed],
  ["cancelled", STATE_LABELS.cancelled],
] as const;

interface Props {
  readonly q: string;
  readonly stats: StatsAnswer | undefined;
  onChange(q: string): void;
}

/** Common terms as buttons, with the counts of the whole store. */
export function Facets({ q, stats, onChange }: Props) {
  if (!stats) return <aside class="facets" aria-label="Filters" />;
  const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, each) => sum + each, 0);
  const names = Object.entries(stats.names).map(([name, { counts }]) => [name, total(counts)] as const);
  const owners = Object.entries(stats.owners).map(([owner, counts]) => [owner, total(counts)] as const);
  const most = (entries: (readonly [string, number])[]) => entries.toSorted((a, b) => b[1] - a[1]).slice(0, TOP);
  const facet = (label: string, count: number, word: string, value?: string) => (
    <li key={label}>
      <button type="button" aria-pressed={has(q, word, value)} onClick={() => onChange(toggled(q, word, value))}>
        <span class="label">{label}</span>
        <span class="muted">{number(count)}</span>
      </button>
    </li>
  );
  return (
    <aside class="facets" aria-label="Filters">
      <h2>Status</h2>
      <ul>
        {STATUSES.map(([status, label]) => facet(label, stats.counts[status], "status", status))}
        {facet("Stuck", stats.stuck, "stuck")}
      </ul>
      {names.length > 0 && <h2>Name</h2>}
      <ul>{most(names).map(([name, count]) => facet(name, count, "name", name))}</ul>
      {owners.length > 0 && <h2>Owner</h2>}
      <ul>
        {most(owners).map(([owner, count]) =>
          owner === "" ? facet("no owner", count, "unowned") : facet(owner, count, "owner", owner),
        )}
      </ul>
      {!stats.complete && <p class="muted">Of ended tasks, only the newest are counted.</p>}
    </aside>
  );
}
