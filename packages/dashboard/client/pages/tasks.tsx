import { keepPreviousData, useInfiniteQuery } from "@tanstack/preact-query";
import { useCallback, useMemo, useState } from "preact/hooks";
import type { TasksAnswer } from "../../src/wire.ts";
import { ApiError, api, type BulkAction } from "../api.ts";
import { number, plural } from "../format.ts";
import { LIVE_PAGES } from "../live.ts";
import { Empty, Failure, Title } from "../parts/basics.tsx";
import { BulkDialog } from "../parts/bulk-dialog.tsx";
import { Facets } from "../parts/facets.tsx";
import { SearchBox } from "../parts/search-box.tsx";
import { TaskTable } from "../parts/task-table.tsx";
import { go, pathTo } from "../route.tsx";
import { useHere, useStats } from "../session.ts";

const BULK: readonly (readonly [BulkAction, string])[] = [
  ["cancel", "Cancel…"],
  ["rerun", "Run again…"],
  ["remove", "Remove…"],
];

export function TasksPage({ query }: { query: URLSearchParams }) {
  const { store, words, actions } = useHere();
  const { data: stats } = useStats();
  const q = query.get("q") ?? "";
  const order = query.get("order") === "oldest" ? "oldest" : "newest";
  const [bulk, setBulk] = useState<BulkAction>();
  const list = useInfiniteQuery({
    queryKey: [store, "tasks", q, order],
    queryFn: ({ pageParam, signal }) => api.tasks(store, { q, order }, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: TasksAnswer) => last.nextCursor,
    placeholderData: keepPreviousData,
  });
  const { data, error, hasNextPage, isFetching, isPlaceholderData, fetchNextPage } = list;
  const tasks = useMemo(() => data?.pages.flatMap((page) => page.tasks) ?? [], [data]);
  const scanned = data?.pages.reduce((sum, page) => sum + page.scanned, 0) ?? 0;
  const show = (next: { q?: string; order?: string }) =>
    go(
      pathTo(store, "tasks", undefined, { q: next.q ?? q, order: (next.order ?? order) === "oldest" ? "oldest" : "" }),
    );
  const onEnd = useCallback(() => {
    if (!isFetching && !isPlaceholderData) void fetchNextPage();
  }, [isFetching, isPlaceholderData, fetchNextPage]);
  const known = useMemo(() => {
    const owners = Object.keys(stats?.owners ?? {}).filter((owner) => owner !== "");
    return { words, names: Object.keys(stats?.names ?? {}), owners };
  }, [words, stats]);
  const problem = error instanceof ApiError && error.status < 500 ? error.message : undefined;
  return (
    <>
      <Title>Tasks</Title>
      <SearchBox value={q} known={known} problem={problem} onSearch={(text) => show({ q: text })} />
      <div class="with-facets">
        <details class="facets-fold">
          <summary>Filters</summary>
          <Facets q={q} stats={stats} onChange={(next) => show({ q: next })} />
        </details>
        <Facets q={q} stats={stats} onChange={(next) => show({ q: next })} />
        <div class="list">
          <div class="toolbar">
            <p aria-live="polite">
              {data &&
                problem === undefined &&
                (hasNextPage ? `The first ${number(tasks.length)} tasks` : plural(tasks.length, "task"))}
            </p>
            <label>
              <span class="hidden">Order</span>
              <select value={order} onChange={(event) => show({ order: event.currentTarget.value })}>
                <option value="newest">Newest first</option>
                <option value="oldest">Oldest first</option>
              </select>
            </label>
            {(data?.pages.length ?? 0) > LIVE_PAGES && (
              <button type="button" class="quiet" disabled={isFetching} onClick={() => void list.refetch()}>
                Refresh
              </button>
            )}
            {problem === undefined &&
              BULK.filter(([action]) => actions.includes(action)).map(([action, label]) => (
                <button
                  key={action}
                  type="button"
                  class="quiet"
                  disabled={tasks.length === 0}
                  onClick={() => setBulk(action)}
                >
                  {label}
                </button>
              ))}
          </div>
          {error && problem === undefined && <Failure error={error} />}
          {tasks.length > 0 && problem === undefined && (
            <TaskTable tasks={tasks} now={data?.pages[0]?.at ?? ""} hasMore={hasNextPage} onEnd={onEnd} />
          )}
          {data && tasks.length === 0 && problem === undefined && (
            <Empty>
              {hasNextPage
                ? `None of the ${number(scanned)} tasks that were looked at match.`
                : q === ""
                  ? "There are no tasks yet."
                  : "No task matches."}
            </Empty>
          )}
          {hasNextPage && (
            <p class="more">
              <button type="button" class="quiet" disabled={isFetching} onClick={onEnd}>
                {isFetching ? "Reading…" : "Read more"}
              </button>
            </p>
          )}
        </div>
      </div>
      {bulk && <BulkDialog action={bulk} q={q} onClose={() => setBulk(undefined)} />}
    </>
  );
}
