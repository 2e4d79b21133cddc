import type { StoredTask } from "../backend/stored-task.ts";
import type { ClaimQuery, TaskBackend } from "../backend/task-backend.ts";
import { invalid, notSupported } from "../contract/errors.ts";
import type { ClaimTaskOptions, ConcurrencyLimits } from "../contract/options.ts";
import type { BackendGateway } from "./backend-gateway.ts";

type Rest = Omit<ClaimQuery, "names">;

/** Claims of which some names have limits. */
export class LimitedClaims {
  readonly #gateway: BackendGateway;
  #turn = 0;

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
  }

  /**
   * One step for each name with limits, and one for all others. They take turns to be first, so
   * that the backlog of one name does not keep the others waiting.
   * @throws `NOT_SUPPORTED` if the backend ignores limits
   */
  async claim(
    names: readonly string[],
    concurrency: NonNullable<ClaimTaskOptions["concurrency"]>,
    query: Rest,
  ): Promise<StoredTask[]> {
    for (const name of Object.keys(concurrency))
      if (!names.includes(name)) throw invalid(`concurrency has a name that names lacks: ${JSON.stringify(name)}`);
    return this.#gateway.call(async (backend) => {
      const steps = stepsOf(backend, names, concurrency);
      this.#turn = (this.#turn + 1) % steps.length;
      const claimed: StoredTask[] = [];
      for (const step of [...steps.slice(this.#turn), ...steps.slice(0, this.#turn)]) {
        try {
          claimed.push(...(await step({ ...query, limit: query.limit - claimed.length })));
        } catch (error) {
          // What was claimed has to reach the caller.
          if (claimed.length === 0) throw error;
        }
        if (claimed.length >= query.limit) break;
      }
      return claimed;
    });
  }
}

function stepsOf(
  backend: TaskBackend,
  names: readonly string[],
  concurrency: Readonly<Record<string, ConcurrencyLimits>>,
): ((query: Rest) => Promise<StoredTask[]>)[] {
  const limited = new Map(Object.entries(concurrency).filter(([, limits]) => isLimit(limits)));
  if (limited.size > 0 && !backend.claimLimited) throw notSupported("claim tasks with limits", "claimLimited");
  const free = names.filter((name) => !limited.has(name));
  const steps = [...limited].map(([name, { running = null, runningPerOwner = null }]) => {
    return async (query: Rest) => backend.claimLimited?.({ name, running, runningPerOwner, ...query }) ?? [];
  });
  if (free.length > 0) steps.push((query) => backend.claim({ names: free, ...query }));
  return steps;
}

function isLimit(limits: ConcurrencyLimits | undefined): boolean {
  return limits?.running !== undefined || limits?.runningPerOwner !== undefined;
}
