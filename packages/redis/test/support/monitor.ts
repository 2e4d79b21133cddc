import type { Redis } from "ioredis";

/** One run of a script, as MONITOR shows it. */
export interface ScriptRun {
  readonly sha1: string;
  /** The keys that the caller declared. */
  readonly keys: readonly string[];
  /** The keys of the commands that the script called. */
  readonly touched: string[];
}

/** Commands in scripts that take no key. */
const KEYLESS = new Set(["TIME", "INFO"]);
const END = "the end of the log";

/**
 * A connection that gets every command of the server. While it begins, ioredis fails at a line of
 * MONITOR and at the answer to a ready check. So the given connection is ready before, the new one
 * has no check, and no other connection may send anything.
 */
export async function startMonitor(redis: Redis): Promise<Redis> {
  await redis.ping();
  return redis.duplicate({ enableReadyCheck: false, lazyConnect: true }).monitor();
}

/** Records the commands of scripts with MONITOR. */
export class MonitorLog {
  readonly runs: ScriptRun[] = [];
  readonly #redis: Redis;
  readonly #ended = Promise.withResolvers<void>();

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  static async start(redis: Redis): Promise<MonitorLog> {
    const log = new MonitorLog(redis);
    const monitor = await startMonitor(redis);
    monitor.on("monitor", (_time: string, args: string[], source: string) => log.#line(args, source));
    void log.#ended.promise.then(() => monitor.disconnect());
    return log;
  }

  /** All runs so far. */
  async stop(): Promise<readonly ScriptRun[]> {
    await this.#redis.echo(END);
    await this.#ended.promise;
    return this.runs;
  }

  #line(args: string[], source: string): void {
    const [command = "", first = "", count = "0"] = args;
    if (source === "lua") {
      if (!KEYLESS.has(command)) this.runs.at(-1)?.touched.push(first);
    } else if (/^eval/i.test(command)) {
      const sha1 = /^evalsha$/i.test(command) ? first : "";
      // EVAL follows only an EVALSHA that found no script.
      if (sha1 === "") this.runs.push({ ...(this.runs.pop() as ScriptRun), touched: [] });
      else this.runs.push({ sha1, keys: args.slice(3, 3 + Number(count)), touched: [] });
    } else if (first === END) this.#ended.resolve();
  }
}
