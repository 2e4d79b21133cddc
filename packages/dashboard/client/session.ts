import { useQuery } from "@tanstack/preact-query";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Action } from "../src/access.ts";
import type { SessionAnswer, StatsAnswer } from "../src/wire.ts";
import { api } from "./api.ts";

export interface Here extends SessionAnswer {
  /** The store that is shown. */
  readonly store: string;
}

export const HereContext = createContext<Here | undefined>(undefined);

/** The visitor, and the store that is shown. */
export function useHere(): Here {
  const here = useContext(HereContext);
  if (!here) throw new Error("There is no session");
  return here;
}

export function useMay(action: Action): boolean {
  return useHere().actions.includes(action);
}

const STATS_MS = 5000;

/** The statistics, read again while the window can be seen. */
export function useStats() {
  const { store } = useHere();
  return useQuery<StatsAnswer>({
    queryKey: [store, "stats"],
    queryFn: ({ signal }) => api.stats(store, signal),
    refetchInterval: STATS_MS,
  });
}
