import { type Context, defineCommand } from "../command.ts";
import { type Finding, findingsOf, type Level, problem } from "../doctor/finding.ts";
import { taskChecks } from "../doctor/tasks.ts";
import { EXIT } from "../exit.ts";
import { failureText } from "../failures.ts";
import type { Output } from "../output/output.ts";
import { clean, padded } from "../output/text.ts";
import { openSqlite } from "../stores/open.ts";
import { withPostgres, withRedis } from "../stores/raw.ts";
import type { StoreSettings } from "../stores/settings.ts";

const MARKS = {
  ok: ["✓", "green"],
  note: ["i", "cyan"],
  warning: ["!", "yellow"],
  problem: ["✗", "red"],
  unknown: ["?", "gray"],
} as const satisfies Record<Level, readonly [mark: string, colour: string]>;

const ADVICE = "see that the address is right, that the server runs, and that this machine may reach it";

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: {},
  details:
    "Looks at the database's settings, the store's tables and its tasks, and says what to do about what is wrong. The exit code is 3 if anything is. It changes nothing.",
  async run({ output, settings, signal, open }) {
    const findings = await databaseFindings(settings);
    const seen = findings.some(({ check, level }) => level === "problem" && /^(schema|connection|file)$/.test(check));
    // Without its tables a store does not open, and the reason is known.
    if (!seen) findings.push(...(await taskFindings(open, signal)));
    const healthy = !findings.some(({ level }) => level === "warning" || level === "problem");
    if (output.json) output.document({ healthy, findings: findings.map((each) => safe(output, each)) });
    else print(output, findings);
    return healthy ? EXIT.ok : EXIT.bad;
  },
});

async function taskFindings(open: Context["open"], signal: AbortSignal): Promise<Finding[]> {
  try {
    const { store } = await open();
    await store.operations.listRecords({ limit: 1, scan: 1 });
    return await findingsOf(taskChecks(store, signal));
  } catch (error) {
    if (signal.aborted) throw error;
    return findingsOf({ store: () => problem(`the store does not open: ${failureText(error)}`, ADVICE) });
  }
}

async function databaseFindings(settings: StoreSettings): Promise<Finding[]> {
  const { address } = settings;
  try {
    switch (address.kind) {
      case "PostgreSQL": {
        const { postgresChecks } = await import("../doctor/postgres.ts");
        return await withPostgres(address, (client) => findingsOf(postgresChecks(client, settings)));
      }
      case "Redis": {
        const { redisChecks } = await import("../doctor/redis.ts");
        return await withRedis(address, (client) => findingsOf(redisChecks(client)));
      }
      case "SQLite": {
        const { sqliteChecks } = await import("../doctor/sqlite.ts");
        const database = await openSqlite(address);
        try {
          return await findingsOf(sqliteChecks(database, settings));
        } finally {
          database.close();
        }
      }
    }
  } catch (error) {
    return findingsOf({ connection: () => problem(`the store cannot be reached: ${failureText(error)}`, ADVICE) });
  }
}

function safe(output: Output, finding: Finding): Finding {
  return { ...finding, message: output.safe(finding.message) };
}

function print(output: Output, findings: readonly Finding[]): void {
  const wide = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, level, message, advice } of findings) {
    const [mark, colour] = MARKS[level];
    output.line(`${output.style(colour, mark)} ${padded(check, wide)}  ${output.safe(message)}`);
    if (advice !== null) output.line(`  ${" ".repeat(wide)}  ${output.style("dim", `→ ${clean(advice)}`)}`);
  }
}
