import { conformanceCases } from "./cases/index.ts";
import { DEFAULT_PATIENCE_MS, type Harness } from "./harness.ts";
import { type ConformanceCase, type Requirement, unmet } from "./kit/case.ts";

/** The functions that `vitest`, `node:test`, `jest` and `bun:test` have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test: ((name: string, body: () => Promise<void>, timeoutMs: number) => unknown) & {
    skip(name: string, body: () => Promise<void>): unknown;
  };
}

export interface CaseReport {
  id: string;
  /** The sentence of the contract that the case proves. */
  contract: string;
  status: "passed" | "failed" | "skipped";
  ms?: number;
  /**
   * The error of a case that failed. Its message ends with its causes, down to the driver's error.
   */
  error?: { name: string; message: string; stack?: string | undefined };
}

/** The outcome of the cases. JSON. */
export interface ConformanceReport {
  name: string;
  passed: number;
  failed: number;
  skipped: { id: string; requires: Requirement[] }[];
  cases: CaseReport[];
}

/**
 * Declares a test for each case. A case that needs a capability which the store lacks is declared
 * as skipped, with the reason in its name.
 */
export function defineConformance({ describe, test }: TestRunner, harness: Harness): void {
  // Longer than the limits inside a case, so that a case that hangs fails with its own message.
  const timeoutMs = 30 * (harness.patienceMs ?? DEFAULT_PATIENCE_MS);
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
 * Runs the cases one after the other, without a test runner.
 * @param options.only Ids or topics; a topic is the part of an id before the slash.
 * @default all cases
 */
export async function runConformance(
  harness: Harness,
  { only }: { only?: readonly string[] } = {},
): Promise<ConformanceReport> {
  const report: ConformanceReport = { name: harness.name, passed: 0, failed: 0, skipped: [], cases: [] };
  for (const each of conformanceCases) {
    const { id, contract } = each;
    if (only && !only.includes(id) && !only.includes(id.slice(0, id.indexOf("/")))) continue;
    const requires = unmet(each, harness);
    const result: CaseReport = requires.length > 0 ? { id, contract, status: "skipped" } : await runCase(each, harness);
    if (result.status === "skipped") report.skipped.push({ id, requires });
    else report[result.status] += 1;
    report.cases.push(result);
  }
  return report;
}

async function runCase(each: ConformanceCase, harness: Harness): Promise<CaseReport> {
  const { id, contract } = each;
  const start = performance.now();
  const ms = () => Math.round(performance.now() - start);
  try {
    await each.run(harness);
    return { id, contract, status: "passed", ms: ms() };
  } catch (error) {
    const { name, message, stack } = error as Error;
    return { id, contract, status: "failed", ms: ms(), error: { name, message, stack } };
  }
}
