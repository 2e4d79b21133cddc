import type { ComponentChildren } from "preact";
import { number } from "../format.ts";
import { type LiveState, useLive } from "../live.ts";
import { go, Link, type PageName, pathTo, type Route } from "../route.tsx";
import { useHere, useStats } from "../session.ts";

const PAGES: readonly (readonly [PageName, string])[] = [
  ["overview", "Overview"],
  ["tasks", "Tasks"],
  ["workers", "Workers"],
  ["names", "Names"],
  ["owners", "Owners"],
];

const LIVE: Readonly<Record<LiveState, string>> = { live: "Live", connecting: "Connecting", paused: "Paused" };

export function Shell({ route, children }: { route: Route; children: ComponentChildren }) {
  const { store, stores, user, actions } = useHere();
  const { data: stats, error } = useStats();
  // A page of one task hears of that task alone.
  const live = useLive(store, route.taskId, route.taskId === undefined ? ["tasks", "workers"] : ["task"]);
  return (
    <>
      {/* With a base in the page, `#main` alone would lead to the overview. */}
      <a class="skip" href={`${location.pathname}${location.search}#main`}>
        Skip to the content
      </a>
      <header class="top">
        <div class="brand">
          <strong>Tasks</strong>
          {stores.length > 1 ? (
            <select
              aria-label="Store"
              value={store}
              onChange={(event) => go(pathTo(event.currentTarget.value, route.page))}
            >
              {stores.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          ) : (
            <span class="muted">{store}</span>
          )}
        </div>
        <nav aria-label="Pages">
          {PAGES.map(([page, label]) => (
            <Link key={page} to={pathTo(store, page)} aria-current={route.page === page ? "page" : undefined}>
              {label}
              {page === "overview" && stats !== undefined && stats.stuck > 0 && (
                <span class="count" title={`${number(stats.stuck)} stuck`}>
                  {number(stats.stuck)}
                  <span class="hidden"> stuck</span>
                </span>
              )}
            </Link>
          ))}
        </nav>
        <div class="who">
          {actions.length === 0 && <span class="tag">Read-only</span>}
          {user !== undefined && <span class="muted user">{user}</span>}
          <span class={`live ${live}`}>{LIVE[live]}</span>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {error && stats && (
          <p class="notice" role="alert">
            What is shown may be old. {error.message}
          </p>
        )}
        {children}
      </main>
    </>
  );
}
