import type { Requirement } from "./kit/case.ts";

export interface CaseReport {
  id: string;
  /** The sentence of the contract that the case proves. */
  contract: string;
  status: "passed" | "failed" | "skipped";
  ms?: number;
  /**
   * The error of a case that failed. Its message has the rule of the contract, what the case did,
   * and what it saw, down to the driver's error.
   */
  error?: { name: string; message: string; stack?: string | undefined };
}

/** The outcome of the cases. JSON. */
export interface ConformanceReport {
  name: string;
  passed: number;
  failed: number;
  skipped: { id: string; requires: Requirement[] }[];
  /** How many selected cases did not run, because `bail` ended the run before them. */
  notRun: number;
  cases: CaseReport[];
}

/** The topic of a case: the part of its id before the slash. */
export function topicOf({ id }: { readonly id: string }): string {
  return id.slice(0, id.indexOf("/"));
}

/**
 * A report as text, for a terminal: a table with the counts of each topic and why cases were
 * skipped, then the failures.
 * @example
 * console.log(formatReport(await runConformance(harness)));
 */
export function formatReport(report: ConformanceReport): string {
  const lacking = new Map(report.skipped.map(({ id, requires }) => [id, requires]));
  const row = (title: string, cases: readonly CaseReport[]) => {
    const count = (wanted: CaseReport["status"]) => String(cases.filter(({ status }) => status === wanted).length);
    const reasons = new Set(cases.flatMap(({ id }) => lacking.get(id) ?? []));
    const why = reasons.size === 0 ? "" : `requires ${[...reasons].join(", ")}`;
    return [title, count("passed"), count("failed"), count("skipped"), why];
  };
  const topics = [...Map.groupBy(report.cases, topicOf)].map(([topic, cases]) => row(topic, cases));
  const rows = [["", "passed", "failed", "skipped", ""], ...topics, row("all", report.cases)];
  const wide = Math.max(...rows.map(([title = ""]) => title.length));
  const table = rows.map(([title = "", passed = "", failed = "", skipped = "", why]) =>
    `${title.padEnd(wide)}  ${passed.padStart(6)}  ${failed.padStart(6)}  ${skipped.padStart(7)}  ${why}`.trimEnd(),
  );
  const rest = report.notRun === 0 ? [] : [`${report.notRun} more cases were not run, after the first failure.`];
  const failures = report.cases.flatMap(({ error }) => (error ? [`FAILED ${error.message}`] : []));
  return [[report.name, ...table, ...rest].join("\n"), ...failures].join("\n\n");
}
