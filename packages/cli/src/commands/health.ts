import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { failureText } from "../failures.ts";
import { count, durationText, parseDuration } from "../output/text.ts";

/** A check that runs every few seconds must stay cheap. Active tasks are counted in any case. */
const SCAN = 1000;

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: {
    "max-wait": { type: "string", value: "DURATION", help: "unhealthy if a claimable task has waited for longer" },
    "max-stuck": { type: "string", value: "N", help: "unhealthy if more tasks are stuck" },
  },
  details: "For monitors: exit code 0 if the store answers and the limits hold, 3 if not. doctor looks for causes.",
  async run({ values, output, open }) {
    const { "max-wait": wait, "max-stuck": stuck } = values;
    const maxWaitMs = wait === undefined ? undefined : parseDuration(wait);
    if (wait !== undefined && maxWaitMs === undefined) throw new UsageError("--max-wait takes a duration such as 5m");
    if (stuck !== undefined && !/^\d{1,12}$/.test(stuck)) throw new UsageError("--max-stuck takes a whole number");
    const problems: string[] = [];
    let found: { oldestClaimableMs: number | null; stuck: number } | undefined;
    const start = performance.now();
    try {
      const { operations } = (await open()).store;
      if (maxWaitMs === undefined && stuck === undefined) await operations.listRecords({ limit: 1, scan: 1 });
      else {
        const stats = await operations.stats({ scan: SCAN });
        found = { oldestClaimableMs: stats.oldestClaimableMs ?? null, stuck: stats.stuck };
      }
    } catch (error) {
      problems.push(failureText(error));
    }
    const ms = Math.round(performance.now() - start);
    const waited = found?.oldestClaimableMs ?? 0;
    if (maxWaitMs !== undefined && waited > maxWaitMs)
      problems.push(`a claimable task has waited for ${durationText(waited)}`);
    if (stuck !== undefined && found && found.stuck > Number(stuck))
      problems.push(`${count(found.stuck, "task")} stuck`);
    const healthy = problems.length === 0;
    if (output.json) {
      const { oldestClaimableMs = null, stuck: number = null } = found ?? {};
      output.document({
        healthy,
        ms,
        oldestClaimableMs,
        stuck: number,
        problems: problems.map((each) => output.safe(each)),
      });
    } else if (healthy) output.line(`healthy: the store answered in ${ms} ms`);
    else for (const problem of problems) output.error(`unhealthy: ${problem}`);
    return healthy ? EXIT.ok : EXIT.bad;
  },
});
