import type { Harness, HarnessCapabilities } from "../harness.ts";
import { Scene } from "./scene.ts";
import { Trail } from "./trail.ts";
import { watched } from "./watchdog.ts";
import { failed } from "./wording.ts";

/** A capability that a case needs. With `!`: the case needs a store without it. */
export type Requirement = keyof HarnessCapabilities | `!${keyof HarnessCapabilities}`;

/** One promise of the contract, and the test of it. */
export interface ConformanceCase {
  /** Stable, as `topic/what`. */
  readonly id: string;
  /** The sentence of the contract that the case proves. */
  readonly contract: string;
  readonly requires: readonly Requirement[];
  /**
   * Rejects with an error of `node:assert` unless the harness's store keeps the promise. The
   * message says which rule of the contract it is about, what the case did, and what it saw, with
   * the causes. The case leaves nothing behind. It ends the process if the store
   * blocks the event loop for longer than the harness's `blockedMs`.
   */
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
  const run = async (harness: Harness) => {
    const trail = new Trail();
    try {
      await watched({ id, contract }, harness, () => Scene.run(id, harness, trail, body));
    } catch (error) {
      throw failed(`${id}: ${contract}`, trail.lines(), error);
    }
  };
  return Object.freeze({ id, contract, requires, run });
}

/** The requirements of the case that the harness's store does not meet. */
export function unmet({ requires }: ConformanceCase, { capabilities }: Harness): Requirement[] {
  return requires.filter((requirement) =>
    requirement.startsWith("!")
      ? capabilities[requirement.slice(1) as keyof HarnessCapabilities]
      : !capabilities[requirement as keyof HarnessCapabilities],
  );
}
