import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("program.ts", import.meta.url));

/** Starts a command of `program.ts`. `lines` is its output so far. */
export function start(args: readonly string[], options: { uid?: number } = {}) {
  const child: ChildProcess = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  const ended = once(child, "close");
  return {
    child,
    ended,
    get lines(): string[] {
      // The last line may be incomplete.
      return text.split("\n").slice(0, -1);
    },
    async line(): Promise<string> {
      while (this.lines.length === 0) await once(child.stdout as NonNullable<typeof child.stdout>, "data");
      return this.lines[0] as string;
    },
  };
}
