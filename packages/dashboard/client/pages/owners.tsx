import { quoted } from "../filter-text.ts";
import { number } from "../format.ts";
import { Empty, Failure, Owner, Scroller, Title } from "../parts/basics.tsx";
import { Link, pathTo } from "../route.tsx";
import { useHere, useStats } from "../session.ts";

const COLUMNS = [
  ["working", "Working"],
  ["input_required", "Needs input"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
] as const;

export function OwnersPage() {
  const { store } = useHere();
  const { data: stats, error } = useStats();
  const owners = Object.entries(stats?.owners ?? {});
  return (
    <>
      <Title>Owners</Title>
      {error && !stats && <Failure error={error} />}
      {stats && owners.length === 0 && <Empty>There are no tasks yet.</Empty>}
      {owners.length > 0 && (
        <Scroller label="Owners">
          <table>
            <thead>
              <tr>
                <th>Owner</th>
                {COLUMNS.map(([status, label]) => (
                  <th key={status} class="num">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {owners.map(([owner, counts]) => {
                const term = owner === "" ? "unowned" : `owner=${quoted(owner)}`;
                return (
                  <tr key={owner}>
                    <th scope="row">
                      <Link to={pathTo(store, "tasks", undefined, { q: term })}>
                        <Owner owner={owner} />
                      </Link>
                    </th>
                    {COLUMNS.map(([status]) => (
                      <td key={status} class="num">
                        {counts[status] > 0 ? (
                          <Link to={pathTo(store, "tasks", undefined, { q: `${term} status=${status}` })}>
                            {number(counts[status])}
                          </Link>
                        ) : (
                          "0"
                        )}
                      </td>
                    ))}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroller>
      )}
      {owners.length >= 100 && <p class="muted">The 100 owners with most tasks.</p>}
    </>
  );
}
