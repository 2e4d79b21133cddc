import { conformanceCases } from "./cases/index.ts";
import { DEFAULT_PATIENCE_MS, type Harness } from "./harness.ts";
import { type ConformanceCase, unmet } from "./kit/case.ts";
import { type CaseReport, type ConformanceReport, topicOf } from "./report.ts";

/** The functions that `vitest`, `node:test`, `jest` and `bun:test` have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test: ((name: string, body: () => Promise<void>, timeoutMs: number) => unknown) & {
    skip(name: string, body: () => Promise<void>): unknown;
  };
}

export interface DefineConformanceOptions {
  /**
   * Ids of cases, or beginnings of ids, such as `leases`.
   * @default all cases
   */
  readonly only?: readonly string[] | undefined;
}

export interface RunConformanceOptions extends DefineConformanceOptions {
  /**
   * Ends the run after the first case that fails.
   * @default false
   */
  readonly bail?: boolean | undefined;
  /** Called after each case, in a run that takes its time. */
  readonly onCase?: ((report: CaseReport) => void) | undefined;
}

/**
 * Declares a test for each case. A case that needs a capability which the store lacks is declared
 * as skipped, with the reason in its name.
 * @throws TypeError if `only` has a text with which no id begins
 */
export function defineConformance(
  { describe, test }: TestRunner,
  harness: Harness,
  { only }: DefineConformanceOptions = {},
): void {
  // Longer than the limits inside a case, so that a case that hangs fails with its own message.
  const timeoutMs = 30 * (harness.patienceMs ?? DEFAULT_PATIENCE_MS);
  describe(`${harness.name} conforms`, () => {
    for (const [topic, cases] of Map.groupBy(selected(only), topicOf)) {
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
 * @throws TypeError if `only` has a text with which no id begins
 */
export async function runConformance(
  harness: Harness,
  options: RunConformanceOptions = {},
): Promise<ConformanceReport> {
  const { only, bail = false, onCase } = options;
  const chosen = selected(only);
  const report: ConformanceReport = { name: harness.name, passed: 0, failed: 0, skipped: [], notRun: 0, cases: [] };
  for (const each of chosen) {
    const { id, contract } = each;
    const requires = unmet(each, harness);
    const result: CaseReport = requires.length > 0 ? { id, contract, status: "skipped" } : await runCase(each, harness);
    if (result.status === "skipped") report.skipped.push({ id, requires });
    else report[result.status] += 1;
    report.cases.push(result);
    onCase?.(result);
    if (bail && result.status === "failed") break;
  }
  report.notRun = chosen.length - report.cases.length;
  return report;
}

function selected(only: readonly string[] | undefined): readonly ConformanceCase[] {
  if (!only) return conformanceCases;
  const chosen = only.flatMap((wanted) => {
    const exact = conformanceCases.filter(({ id }) => id === wanted);
    const found = exact.length > 0 ? exact : conformanceCases.filter(({ id }) => id.startsWith(wanted));
    if (found.length > 0) return found;
    const topics = [...new Set(conformanceCases.map(topicOf))].join(", ");
    throw new TypeError(`No case has an id that begins with ${JSON.stringify(wanted)}: the topics are ${topics}`);
  });
  return conformanceCases.filter((each) => chosen.includes(each));
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
