import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Line, Task } from "./program.ts";
import type { Verdict } from "./verdicts.ts";

const loader = new URL("loader.ts", import.meta.url).href;
const program = fileURLToPath(new URL("program.ts", import.meta.url));

/** The process groups that run. They end with this process, however it ends. */
const running = new Set<number>();
process.on("exit", () => running.forEach(end));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

/**
 * Runs the suite in a process of its own, with another text for a module. The process ends with
 * all that it has started, after this time at the latest.
 */
export async function trial(
  task: Task,
  module: { readonly path: string; readonly text: string } | undefined,
  limitMs: number,
  onPassed: (id: string, ms: number) => void = () => undefined,
): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), "mutant-"));
  const file = join(folder, "mutant.json");
  if (module) await writeFile(file, JSON.stringify(module));
  const begun = performance.now();
  const child = spawn(process.execPath, [program], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      ...process.env,
      TMPDIR: folder,
      NODE_OPTIONS: `--import ${loader} --disable-warning=ExperimentalWarning`,
      ...(module && { MUTANT_FILE: file }),
    },
  });
  const pid = child.pid as number;
  running.add(pid);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(pid);
  }, limitMs);
  let verdict: Exclude<Line, { readonly passed: string }> | undefined;
  child.stdin.on("error", () => undefined).end(JSON.stringify(task));
  const reading = (async () => {
    for await (const line of createInterface(child.stdout)) {
      const said = JSON.parse(line) as Line;
      if ("passed" in said) onPassed(said.passed, said.ms);
      else verdict = said;
    }
  })();
  await new Promise((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  end(pid);
  running.delete(pid);
  await reading;
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  const ms = Math.round(performance.now() - begun);
  if (late) return { status: "killed", by: "time limit", why: "", ms };
  if (verdict && "failed" in verdict)
    return { status: verdict.invalid ? "invalid" : "killed", by: verdict.failed, why: verdict.why, ms };
  if (verdict) return { status: "survived", by: "", why: "", ms };
  return { status: "killed", by: "process ended", why: "", ms };
}

/** Ends the process and those that it started. */
function end(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All have ended.
  }
}
