import { failureText } from "../failures.ts";
import { durationText } from "../output/text.ts";
import type { SchemaVersions } from "../stores/versions.ts";

/**
 * `note`: fine for most, and worth knowing. `unknown`: the check could not be made, for instance
 * for want of a privilege.
 */
export type Level = "ok" | "note" | "warning" | "problem" | "unknown";

/** What one check has found. */
export interface Finding {
  readonly check: string;
  readonly level: Level;
  readonly message: string;
  /** What to do about it; null if there is nothing to do. */
  readonly advice: string | null;
}

export type Found = Omit<Finding, "check">;

export function ok(message: string): Found {
  return { level: "ok", message, advice: null };
}

export function note(message: string, advice: string): Found {
  return { level: "note", message, advice };
}

export function unknown(message: string): Found {
  return { level: "unknown", message, advice: null };
}

export function warning(message: string, advice: string): Found {
  return { level: "warning", message, advice };
}

export function problem(message: string, advice: string): Found {
  return { level: "problem", message, advice };
}

type Result = Found | readonly Found[];

/** Checks by name. */
export type Checks = Readonly<Record<string, () => Result | Promise<Result>>>;

/** Makes the checks one after another. One that fails does not keep others from being made. */
export async function findingsOf(checks: Checks): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [check, make] of Object.entries(checks)) {
    let found: Result;
    try {
      found = await make();
    } catch (error) {
      found = unknown(`could not be checked: ${failureText(error)}`);
    }
    for (const each of [found].flat()) findings.push({ check, ...each });
  }
  return findings;
}

const SKEW_MS = 2000;

/** Compares the database's clock with this machine's, which was read before and after it. */
export function clockFinding(database: number, before: number, after: number): Found {
  const ahead = database < before ? before - database : Math.min(0, after - database);
  if (Math.abs(ahead) <= SKEW_MS) return ok("this machine's clock agrees with the database's");
  return warning(
    `this machine's clock is ${durationText(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} the database's`,
    "synchronise both by NTP: stores go by the database's clock, but ages in filters and lists go by this machine's",
  );
}

export function schemaFinding({ found, known }: SchemaVersions, where: string): Found {
  if (found === 0)
    return problem(
      `there are no tables of a store ${where}`,
      "run mcp-tasks migrate, or say where they are by --schema or --table-prefix",
    );
  if (found < known)
    return problem(`the tables are at version ${found}, and this program needs ${known}`, "run mcp-tasks migrate");
  if (found > known)
    return warning(`the tables are at version ${found}, and this program knows ${known}`, "update @mcp-task-store/cli");
  return ok(`the tables are at version ${found}`);
}

/** Compares names of indexes with those that there should be. */
export function indexFinding(wanted: readonly string[], there: ReadonlySet<string>): Found {
  const missing = wanted.filter((name) => !there.has(name));
  if (missing.length === 0) return ok("all indexes are there");
  return problem(
    `indexes are missing or invalid: ${missing.join(", ")}`,
    "make them again, as the migrations of the store's package define them: without them, calls scan whole tables",
  );
}
