import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { TaskRow } from "../../src/wire.ts";
import { ApiError } from "../api.ts";
import { STATE_LABELS, STUCK_LABELS, stateOf } from "../format.ts";
import { hasMoved } from "../route.tsx";
import { say } from "./toasts.tsx";

/** The heading of a page. It gets the focus, so that screen readers say where a link has led. */
export function Title({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = children;
  }, [children]);
  useEffect(() => {
    if (hasMoved()) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** The state of a task, as a dot and a word. */
export function StateBadge({ task }: { task: Pick<TaskRow, "status" | "holder" | "stuck"> }) {
  const state = stateOf(task);
  return (
    <span class={`state ${state}`}>
      {STATE_LABELS[state]}
      {task.stuck && (
        <span class="stuck" title={STUCK_LABELS[task.stuck]}>
          stuck
        </span>
      )}
    </span>
  );
}

export function Owner({ owner }: { owner: string | null }) {
  return owner === null || owner === "" ? <span class="muted">no owner</span> : <span>{owner}</span>;
}

export function Time({ at, children }: { at: string; children: ComponentChildren }) {
  return (
    <time dateTime={at} title={new Date(at).toLocaleString("en-GB", { timeZoneName: "short" })}>
      {children}
    </time>
  );
}

export function Failure({ error }: { error: unknown }) {
  const refused = error instanceof ApiError && error.status === 403;
  return (
    <div class="failure" role="alert">
      <strong>{refused ? "You may not see this" : "This could not be read"}</strong>
      <p>{error instanceof Error ? error.message : "The request failed"}</p>
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const copy = async () => {
    try {
      // There is no clipboard without TLS.
      await navigator.clipboard.writeText(text);
      say(`${label}: copied`);
    } catch {
      say("The browser did not allow the copy", { bad: true });
    }
  };
  return (
    <button type="button" class="quiet small" onClick={copy} aria-label={`Copy ${label}`}>
      Copy
    </button>
  );
}

/** A table that scrolls sideways in itself where the window is narrow. */
export function Scroller({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it.
    <section class="scroller card" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
