import { useQueryClient } from "@tanstack/preact-query";
import { useEffect, useState } from "preact/hooks";
import { api } from "./api.ts";

export type LiveState = "live" | "connecting" | "paused";

/** After how long a refused stream is asked for again. */
const AGAIN_MS = 10_000;

/** A list of more pages is not read again at each change: that would take a while. */
export const LIVE_PAGES = 5;

function isLong(data: unknown): boolean {
  const pages = (data as { pages?: unknown } | undefined)?.pages;
  return Array.isArray(pages) && pages.length > LIVE_PAGES;
}

/**
 * Reads again what is shown whenever the server tells of a change. It listens only while the
 * window can be seen.
 */
export function useLive(store: string, taskId: string | undefined, keys: readonly string[]): LiveState {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");
  const key = keys.join(" ");
  useEffect(() => {
    let source: EventSource | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    const read = () => {
      for (const each of key.split(" "))
        void client.invalidateQueries({ queryKey: [store, each], predicate: ({ state }) => !isLong(state.data) });
    };
    const stop = () => {
      clearTimeout(again);
      source?.close();
      source = undefined;
    };
    const start = () => {
      stop();
      setState("connecting");
      source = api.events(store, taskId);
      let opened = false;
      source.addEventListener("ready", () => {
        setState("live");
        // What changed while nothing was heard.
        if (opened) read();
        opened = true;
      });
      source.addEventListener("changed", read);
      source.addEventListener("error", () => {
        setState("connecting");
        if (source?.readyState === EventSource.CLOSED) again = setTimeout(start, AGAIN_MS);
      });
    };
    const look = () => {
      if (document.hidden) {
        stop();
        setState("paused");
      } else {
        start();
        read();
      }
    };
    if (document.hidden) setState("paused");
    else start();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      stop();
    };
  }, [client, store, taskId, key]);
  return state;
}
