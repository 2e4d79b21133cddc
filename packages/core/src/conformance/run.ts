import { type ConformanceCase, type Requirement, unmet } from "./case.ts";
import { conformanceCases } from "./cases.ts";
import { DEFAULT_PATIENCE_MS, type Harness } from "./harness.ts";

/** What `vitest`, `node:test`, `jest` and `bun:test` have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test: ((name: string, body: () => Promise<void>, timeoutMs: number) => unknown) & {
    skip(name: string, body: () => Promise<void>): unknown;
  };
}

export interface CaseReport {
  id: string;
  status: "passed" | "failed" | "skipped";
  ms?: number;
  error?: { name: string; message: string; stack?: string | undefined };
}

/** JSON all through. */
export interface ConformanceReport {
  name: string;
  passed: number;
  failed: number;
  skipped: { id: string; requires: Requirement[] }[];
  cases: CaseReport[];
}

/** Declares a test for each case. Those whose capability the store lacks are declared as skipped, and say so. */
export function defineConformance({ describe, test }: TestRunner, harness: Harness): void {
  // More than a case takes by itself: a case that hangs should fail with its own message.
  const timeoutMs = 10 * (harness.patienceMs ?? DEFAULT_PATIENCE_MS);
  const topics = Map.groupBy(conformanceCases, ({ id }) => id.slice(0, id.indexOf("/")));
  describe(`${harness.name} conforms`, () => {
    for (const [topic, cases] of topics) {
      describe(topic, () => {
        for (const each of cases) {
          const missing = unmet(each, harness);
          const body = () => each.run(harness);
          if (missing.length === 0) test(`${each.id}: ${each.contract}`, body, timeoutMs);
          else test.skip(`${each.id} (requires ${missing.join(", ")})`, body);
        }
      });
    }
  });
}

/**
 * Runs the cases one after the other, without any test runner.
 * @param options.only Ids, or topics: what comes before the slash. Default: all cases.
 */
export async function runConformance(
  harness: Harness,
  { only }: { only?: readonly string[] } = {},
): Promise<ConformanceReport> {
  const report: ConformanceReport = { name: harness.name, passed: 0, failed: 0, skipped: [], cases: [] };
  for (const each of conformanceCases) {
    const { id } = each;
    if (only && !only.includes(id) && !only.includes(id.slice(0, id.indexOf("/")))) continue;
    const requires = unmet(each, harness);
    const result: CaseReport = requires.length > 0 ? { id, status: "skipped" } : await runCase(each, harness);
    if (result.status === "skipped") report.skipped.push({ id, requires });
    else report[result.status] += 1;
    report.cases.push(result);
  }
  return report;
}

async function runCase(each: ConformanceCase, harness: Harness): Promise<CaseReport> {
  const start = performance.now();
  const ms = () => Math.round(performance.now() - start);
  try {
    await each.run(harness);
    return { id: each.id, status: "passed", ms: ms() };
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    return { id: each.id, status: "failed", ms: ms(), error: { name, message, stack } };
  }
}
