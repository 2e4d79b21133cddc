import type { Harness, HarnessCapabilities } from "./harness.ts";
import { Scene } from "./scene.ts";

/** A capability that a case needs, or with `!` one whose absence it proves. */
export type Requirement = keyof HarnessCapabilities | `!${keyof HarnessCapabilities}`;

/** One promise of the contract, and how to see that it is kept. */
export interface ConformanceCase {
  /** Stable, as `topic/what`. */
  readonly id: string;
  /** The sentence of the contract that it proves. */
  readonly contract: string;
  readonly requires: readonly Requirement[];
  /** Rejects, as `node:assert` does, unless the harness's store keeps the promise. Leaves nothing behind. */
  run(harness: Harness): Promise<void>;
}

export type CaseBody = (scene: Scene) => Promise<void>;

/** A case that works with a scene. */
export function defineCase(
  id: string,
  contract: string,
  body: CaseBody,
  requires: readonly Requirement[] = [],
): ConformanceCase {
  return Object.freeze({ id, contract, requires, run: (harness: Harness) => Scene.run(harness, body) });
}

/** The requirements of the case that the harness's store does not meet. */
export function unmet({ requires }: ConformanceCase, { capabilities }: Harness): Requirement[] {
  return requires.filter((requirement) =>
    requirement.startsWith("!")
      ? capabilities[requirement.slice(1) as keyof HarnessCapabilities]
      : !capabilities[requirement as keyof HarnessCapabilities],
  );
}
