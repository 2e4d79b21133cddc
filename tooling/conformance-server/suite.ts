/** The official suite's scenarios about tasks, and how to run one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";

const MANIFEST = "@modelcontextprotocol/conformance/package.json";
const require = createRequire(import.meta.url);
const PROGRAM = join(dirname(require.resolve(MANIFEST)), require(MANIFEST).bin.conformance);

export interface Scenario {
  readonly name: string;
  /** How many checks the scenario makes. 0 if the suite itself skips it. */
  readonly checks: number;
}

export const SCENARIOS: readonly Scenario[] = [
  // The longest first, for runs with several scenarios at once.
  { name: "tasks-lifecycle", checks: 9 },
  { name: "tasks-wire-fields", checks: 4 },
  { name: "tasks-dispatch-and-envelope", checks: 9 },
  { name: "tasks-mrtr-input", checks: 4 },
  { name: "tasks-capability-negotiation", checks: 5 },
  { name: "tasks-request-headers", checks: 5 },
  { name: "tasks-request-state-removal", checks: 3 },
  { name: "tasks-mrtr-composition", checks: 2 },
  { name: "tasks-required-task-error", checks: 3 },
  { name: "tasks-status-notifications", checks: 0 },
];

/** The suite's last line for a scenario that passed. */
export function successOf({ checks }: Scenario): string {
  return `Passed: ${checks}/${checks}, 0 failed, 0 warnings`;
}

export interface SuiteRun {
  readonly exitCode: number | null;
  /** Without colours. */
  readonly output: string;
  /** Checks that passed. */
  readonly passed: number;
}

export async function runScenario(url: string, { name }: Scenario): Promise<SuiteRun> {
  // With `--spec-version` the suite skips extensions and calls that a success. The scenario's time
  // limit is raised for busy machines, those of single steps stay.
  const { exitCode, output } = await runSuite("server", "--url", url, "--scenario", name, "--timeout", "150000");
  return { exitCode, output, passed: Number(/^Passed: (\d+)\//m.exec(output)?.[1] ?? 0) };
}

/** The names of all scenarios about tasks in this version of the suite. */
export async function listScenarios(): Promise<string[]> {
  const { output } = await runSuite("list");
  return [...new Set(output.match(/\btasks-[a-z-]+/g))];
}

async function runSuite(...args: readonly string[]): Promise<Pick<SuiteRun, "exitCode" | "output">> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [[exitCode], ...outputs] = await Promise.all([once(child, "close"), text(child.stdout), text(child.stderr)]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it colours whatever it is told
  return { exitCode, output: outputs.join("").replaceAll(/\u001b\[\d+m/g, "") };
}
