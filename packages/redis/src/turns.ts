import { GatheredClaims, type LimitedClaimQuery, type StoredTask } from "@mcp-task-store/core/backend";
import type { Commands } from "./commands.ts";
import { type TaskRow, toClaimed } from "./rows.ts";
import type { ServerClock } from "./server-clock.ts";

/** Most tasks claimed by one script. */
const CLAIM_BATCH = 64;

/** Claims with limits. The first one fills the queues of owners. */
export class Turns {
  readonly #commands: Commands;
  readonly #clock: ServerClock;
  readonly #fillQueues: () => Promise<void>;
  readonly #gathered = new GatheredClaims<LimitedClaimQuery>((query) => this.#claim(query), CLAIM_BATCH);

  constructor(commands: Commands, clock: ServerClock, fillQueues: () => Promise<void>) {
    this.#commands = commands;
    this.#clock = clock;
    this.#fillQueues = fillQueues;
  }

  claim(query: LimitedClaimQuery): Promise<StoredTask[]> {
    return this.#gathered.claim(query);
  }

  async #claim({ name, leaseMs, limit, history, running, runningPerOwner }: LimitedClaimQuery): Promise<StoredTask[]> {
    const most = Math.min(limit, CLAIM_BATCH);
    const args = [leaseMs, most, history ?? "", name, running ?? "", runningPerOwner ?? ""].map(String);
    for (let passed = 0; ; ) {
      const answer = await this.#commands.run("claimLimited", "", [...args, `${passed}`]);
      if (answer === "unqueued") {
        await this.#fillQueues();
        continue;
      }
      const [now, rows, goesOnAfter] = answer as [string, TaskRow[], number];
      if (goesOnAfter < 0) return toClaimed(rows, this.#clock.told(now));
      passed = goesOnAfter;
    }
  }
}
