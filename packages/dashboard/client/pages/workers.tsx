import { useQuery } from "@tanstack/preact-query";
import { api } from "../api.ts";
import { ago, number } from "../format.ts";
import { Empty, Failure, Scroller, Title } from "../parts/basics.tsx";
import { Link, pathTo } from "../route.tsx";
import { useHere } from "../session.ts";

const LOOK_MS = 5000;
/** Tasks of a worker that are named. */
const SHOWN = 20;

export function WorkersPage() {
  const { store } = useHere();
  const { data, error } = useQuery({
    queryKey: [store, "workers"],
    queryFn: ({ signal }) => api.workers(store, signal),
    refetchInterval: LOOK_MS,
  });
  return (
    <>
      <Title>Workers</Title>
      {error && !data && <Failure error={error} />}
      {data && data.workers.length === 0 && (
        <Empty>No runner holds a task now. Idle workers are not known to the store.</Empty>
      )}
      {data && data.workers.length > 0 && (
        <Scroller label="Workers">
          <table>
            <thead>
              <tr>
                <th>Worker</th>
                <th>Host</th>
                <th class="num">Process</th>
                <th>Version</th>
                <th class="num">Runs</th>
                <th>Tasks</th>
              </tr>
            </thead>
            <tbody>
              {data.workers.map(({ host, pid, worker, version, tasks }) => (
                <tr key={`${host} ${pid} ${worker} ${version}`}>
                  <th scope="row">{worker ?? <span class="muted">unnamed</span>}</th>
                  <td>{host}</td>
                  <td class="num">{pid}</td>
                  <td>{version ?? ""}</td>
                  <td class="num">{number(tasks.length)}</td>
                  <td>
                    <ul class="runs">
                      {tasks.slice(0, SHOWN).map((task) => (
                        <li key={task.taskId}>
                          <Link to={pathTo(store, "tasks", task.taskId)} title={task.taskId}>
                            {task.name} {task.taskId.slice(0, 8)}
                          </Link>{" "}
                          <span class="muted">{ago(task.since, data.at)}</span>
                        </li>
                      ))}
                      {tasks.length > SHOWN && <li class="muted">and {number(tasks.length - SHOWN)} more</li>}
                    </ul>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroller>
      )}
      {data && !data.complete && (
        <p class="muted">There are more than a thousand running tasks: these are the newest.</p>
      )}
    </>
  );
}
