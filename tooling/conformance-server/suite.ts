/** The scenarios of the official suite that are about tasks, and how one is run. */
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
  /** That it makes when nothing is left out; 0 for one that the suite itself skips. */
  readonly checks: number;
}

export const SCENARIOS: readonly Scenario[] = [
  // The longest first, for those who run some at once.
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

/** What the suite says at the end of a scenario in which all went well. */
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
  // With `--spec-version` it would skip what belongs to an extension, and call that a success.
  // Its limits for single steps stay; the one for the whole scenario is not for a busy machine.
  const { exitCode, output } = await runSuite("server", "--url", url, "--scenario", name, "--timeout", "150000");
  return { exitCode, output, passed: Number(/^Passed: (\d+)\//m.exec(output)?.[1] ?? 0) };
}

/** The names of all scenarios about tasks that this version of the suite has. */
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
