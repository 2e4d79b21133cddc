import { checkReady, type TaskStore } from "@mcp-task-store/core";
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
    const answers = await Promise.all(this.#stores.map((store) => checkReady(store, { timeoutMs: LIMIT_MS })));
    return answers.every(({ ready }) => ready);
  }
}
