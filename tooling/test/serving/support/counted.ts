import type { TaskStore } from "@mcp-task-store/core";
import { withMethods } from "../../fixtures/stores.ts";

/** A store that counts its waits and subscriptions. */
export interface CountedStore {
  readonly store: TaskStore;
  /** Waits and subscriptions that have not ended. */
  readonly open: number;
  /** Resolves once there are that many. */
  reaches(count: number): Promise<void>;
}

export function counted(inner: TaskStore): CountedStore {
  let open = 0;
  let waiting: { count: number; resolve: () => void }[] = [];
  const change = (by: 1 | -1) => {
    open += by;
    waiting = waiting.filter(({ count, resolve }) => count !== open || resolve());
  };
  const store = withMethods(inner, {
    async waitForTask(...of) {
      change(1);
      try {
        return await inner.waitForTask(...of);
      } finally {
        change(-1);
      }
    },
    async subscribe(...of) {
      change(1);
      let over = false;
      const end = () => {
        if (!over) change(-1);
        over = true;
      };
      try {
        const unsubscribe = await inner.subscribe(...of);
        return () => {
          unsubscribe();
          end();
        };
      } catch (error) {
        end();
        throw error;
      }
    },
  });
  return {
    store,
    get open() {
      return open;
    },
    reaches: (count) =>
      new Promise((resolve) => {
        if (open === count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}
