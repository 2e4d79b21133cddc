import type { ComponentChildren, JSX } from "preact";
import { useSyncExternalStore } from "preact/compat";

// The address says what is shown: {store}/{page}/{task}?q=...

export type PageName = "overview" | "tasks" | "workers" | "names" | "owners";

export interface Route {
  readonly store: string | undefined;
  readonly page: PageName;
  readonly taskId: string | undefined;
  readonly query: URLSearchParams;
}

const PAGES: readonly string[] = ["tasks", "workers", "names", "owners"];
const listeners = new Set<() => void>();

function tell(): void {
  for (const listener of listeners) listener();
}

/** The place in the page to go back to, until the page is there. */
let place: number | undefined;
let moved = false;

// The browser would look for the place before a long list is drawn.
history.scrollRestoration = "manual";
addEventListener("popstate", (event) => {
  moved = true;
  place = Number((event.state as { scroll?: number } | null)?.scroll ?? 0);
  tell();
});

/** Whether the page was reached by a link in the dashboard. */
export function hasMoved(): boolean {
  return moved;
}

/** Goes to the place where the visitor left the page, once its contents are drawn. */
export function returnToPlace(): void {
  if (place === undefined) return;
  scrollTo(0, place);
  place = undefined;
}

export function routeOf(url: URL): Route {
  const base = new URL(document.baseURI).pathname;
  const parts = url.pathname.slice(base.length).split("/").map(decoded);
  const [store, page = "", taskId] = parts;
  return {
    store: store === "" ? undefined : store,
    page: PAGES.includes(page) ? (page as PageName) : "overview",
    taskId: page === "tasks" && taskId ? taskId : undefined,
    query: url.searchParams,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The path below the base, for a link. */
export function pathTo(
  store: string,
  page: PageName = "overview",
  taskId?: string,
  query: Record<string, string> = {},
): string {
  const parts = [store, ...(page === "overview" ? [] : [page]), ...(taskId === undefined ? [] : [taskId])];
  const given = Object.entries(query).filter(([, value]) => value !== "");
  return parts.map(encodeURIComponent).join("/") + (given.length > 0 ? `?${new URLSearchParams(given)}` : "");
}

export function go(path: string, { replace = false } = {}): void {
  const url = new URL(path, document.baseURI);
  if (replace) {
    history.replaceState(null, "", url);
  } else {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState(null, "", url);
    moved = true;
    place = undefined;
    scrollTo(0, 0);
  }
  tell();
}

export function useRoute(): Route {
  const href = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => location.href,
  );
  return routeOf(new URL(href));
}

type LinkProps = Omit<JSX.IntrinsicElements["a"], "href"> & { to: string; children: ComponentChildren };

/** A link within the dashboard. */
export function Link({ to, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={new URL(to, document.baseURI).pathname + new URL(to, document.baseURI).search} onClick={follow} {...rest}>
      {children}
    </a>
  );
}
