import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { realTime } from "@mcp-task-store/core/backend";
import { json } from "./answers.ts";

const LIMIT_MS = 2000;
/** However often it is asked for, the stores are read this often at most. */
const FRESH_MS = 1000;

/** Whether the stores answer in time. */
export class Readiness {
  readonly #stores: readonly TaskStore[];
  #last: { readonly ready: Promise<boolean>; readonly at: number } | undefined;

  constructor(stores: readonly TaskStore[]) {
    this.#stores = stores;
  }

  async answer(): Promise<Response> {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > FRESH_MS) this.#last = { ready: this.#ask(), at: now };
    const ready = await this.#last.ready;
    return json({ ready }, { status: ready ? 200 : 503 });
  }

  async #ask(): Promise<boolean> {
    const answers = this.#stores.map(async (store) => {
      // No task has this id. A store that answers so is ready.
      await store.getTask("mcp-task-store/readyz", { owner: ANY_OWNER });
      return true;
    });
    let timer: Parameters<typeof realTime.clearTimeout>[0];
    const late = new Promise<boolean>((resolve) => {
      timer = realTime.setTimeout(() => resolve(false), LIMIT_MS);
    });
    const all = Promise.all(answers).then(
      () => true,
      () => false,
    );
    return Promise.race([all, late]).finally(() => realTime.clearTimeout(timer));
  }
}
