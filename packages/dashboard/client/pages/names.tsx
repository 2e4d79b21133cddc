import { useMutation, useQueryClient } from "@tanstack/preact-query";
import { api } from "../api.ts";
import { quoted } from "../filter-text.ts";
import { duration, number } from "../format.ts";
import { Empty, Failure, Scroller, Title } from "../parts/basics.tsx";
import { say } from "../parts/toasts.tsx";
import { Link, pathTo } from "../route.tsx";
import { useHere, useMay, useStats } from "../session.ts";

export function NamesPage() {
  const { store } = useHere();
  const { data: stats, error } = useStats();
  const mayPause = useMay("pause");
  const client = useQueryClient();
  const pause = useMutation({
    mutationFn: ({ name, paused }: { name: string; paused: boolean }) => api.pause(store, name, paused),
    onSuccess: (_, { name, paused }) =>
      say(paused ? `No worker takes ${name} from now on` : `Workers take ${name} again`),
    onError: (failure) => say(failure.message, { bad: true }),
    onSettled: () => client.invalidateQueries({ queryKey: [store, "stats"] }),
  });
  const names = Object.entries(stats?.names ?? {});
  return (
    <>
      <Title>Names</Title>
      {error && !stats && <Failure error={error} />}
      {stats && names.length === 0 && <Empty>There are no tasks yet.</Empty>}
      {names.length > 0 && (
        <Scroller label="Names">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Claims</th>
                <th class="num">Running</th>
                <th class="num">Claimable</th>
                <th class="num">Oldest</th>
                <th class="num">Needs input</th>
                <th class="num">Stuck</th>
                <th class="num">Completed</th>
                <th class="num">Failed</th>
                <th class="num">Cancelled</th>
                {mayPause && <th>Acts</th>}
              </tr>
            </thead>
            <tbody>
              {names.map(([name, each]) => (
                <tr key={name}>
                  <th scope="row">
                    <Link to={pathTo(store, "tasks", undefined, { q: `name=${quoted(name)}` })}>{name}</Link>
                  </th>
                  <td>
                    {each.paused ? <span class="state input">Paused</span> : <span class="state completed">Open</span>}
                  </td>
                  <td class="num">{number(each.running)}</td>
                  <td class="num">{number(each.claimable)}</td>
                  <td class="num">{each.oldestClaimableMs === undefined ? "" : duration(each.oldestClaimableMs)}</td>
                  <td class="num">{number(each.counts.input_required)}</td>
                  <td class="num">{each.stuck > 0 ? <span class="stuck">{number(each.stuck)}</span> : "0"}</td>
                  <td class="num">{number(each.counts.completed)}</td>
                  <td class="num">{number(each.counts.failed)}</td>
                  <td class="num">{number(each.counts.cancelled)}</td>
                  {mayPause && (
                    <td>
                      <button
                        type="button"
                        class="small"
                        disabled={pause.isPending}
                        onClick={() => pause.mutate({ name, paused: !each.paused })}
                        aria-label={`${each.paused ? "Resume" : "Pause"} ${name}`}
                      >
                        {each.paused ? "Resume" : "Pause"}
                      </button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroller>
      )}
    </>
  );
}
