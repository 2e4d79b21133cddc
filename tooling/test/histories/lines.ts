// Histories as lines, to write them down in tests.
import { byRegister, operationsOf } from "../../histories/history.ts";
import { verdictOn } from "../../histories/judge.ts";
import type { Answer, Call, Operation } from "../../histories/operation.ts";

export type Line = readonly [from: number, to: number, call: Call, answer: Answer | object, process?: number];

export const CREATE: Call = { do: "create", ttl: null, claimAfterMs: 0, grain: 1, once: false };
export const created: Line = [0, 10, CREATE, { created: true }];

/** The lines as a process writes them, as operations. A plain object is what the caller saw. */
export function operations(lines: readonly Line[]): Operation[] {
  const processes = [...new Set(lines.map((line) => line[4] ?? 0))];
  return processes.flatMap((process) => {
    const texts = lines.flatMap(([from, to, call, answer, of = 0], op) => {
      if (of !== process) return [];
      const said = answer === "unknown" || "error" in answer || "seen" in answer ? answer : { seen: answer };
      const invocation = { op, registers: ["r"], call, at: from };
      return [invocation, { op, at: to, answers: { r: said } }].map((line) => JSON.stringify(line));
    });
    return operationsOf(process, texts, () => [0, 0]);
  });
}

export const verdict = (lines: readonly Line[]) => verdictOn(byRegister(operations(lines)).get("r") ?? []).verdict;
