import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../packages.ts";
import type { Mutant } from "./mutant.ts";
import type { Backend, Target } from "./targets.ts";

export interface Verdict {
  readonly status: "killed" | "survived" | "invalid";
  /** The case that failed, or another end: `time limit`, `process ended`. */
  readonly by: string;
  readonly why: string;
  readonly ms: number;
}

/** The verdicts of earlier runs. They hold while the line of a mutant stays as it was. */
export class Verdicts {
  readonly #file: string;
  readonly #known = new Map<string, Verdict>();

  constructor(backend: Backend, target: Target) {
    const folder = join(repositoryRoot, ".scratch/mutation");
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, `${backend}-${target}.jsonl`);
    for (const line of lines(this.#file)) {
      const { id, ...verdict } = JSON.parse(line) as Verdict & { id: string };
      this.#known.set(id, verdict);
    }
  }

  get(mutant: Mutant): Verdict | undefined {
    return this.#known.get(mutant.id);
  }

  add(mutant: Mutant, verdict: Verdict): void {
    this.#known.set(mutant.id, verdict);
    appendFileSync(this.#file, `${JSON.stringify({ id: mutant.id, ...verdict })}\n`);
  }
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
}
