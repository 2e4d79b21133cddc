import type { Mutant } from "./mutant.ts";

/** Cases that killed mutants nearby come first, and slow cases last. */
export class CaseOrder {
  readonly #ms = new Map<string, number>();
  readonly #kills: { readonly file: string; readonly line: number; readonly by: string }[] = [];

  took(id: string, ms: number): void {
    this.#ms.set(id, ms);
  }

  killed({ file, line }: Mutant, by: string): void {
    if (this.#ms.has(by)) this.#kills.push({ file, line, by });
  }

  get cases(): string[] {
    return [...this.#ms].toSorted(([, one], [, other]) => one - other).map(([id]) => id);
  }

  for({ file, line }: Mutant): string[] {
    const near = this.#kills
      .filter((kill) => kill.file === file)
      .toSorted((one, other) => Math.abs(one.line - line) - Math.abs(other.line - line));
    const others = this.#kills.filter((kill) => kill.file !== file);
    return [...new Set([...[...near, ...others].map(({ by }) => by), ...this.cases])];
  }
}
