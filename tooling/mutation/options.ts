import { parseArgs } from "node:util";
import { BACKENDS, type Backend, TARGETS, TARGETS_OF, type Target } from "./targets.ts";

export interface Options {
  readonly backends: readonly Backend[];
  /** Those of a backend. */
  readonly targets: readonly Target[] | undefined;
  readonly sample: number;
  readonly seed: number;
  /** A part of the paths of the files. */
  readonly only: string | undefined;
  /** Runs those again that survived the last time. */
  readonly survivors: boolean;
  readonly excused: boolean;
  readonly parallel: number;
}

export const HELP = `pnpm test:mutation [options]

Changes the code of a store in one place, runs the conformance suite over it, and counts how many such mutants no case
catches. Each survivor is printed with its file, line and change. Verdicts are kept in .scratch/mutation, so a run that
is interrupted goes on where it was, and a larger sample runs only what is new.

  --backend NAME   ${BACKENDS.join(", ")}; may be repeated (default: core)
  --target NAME    what is changed; may be repeated (default: all of the backend)
${BACKENDS.map((each) => `                   ${each}: ${TARGETS_OF[each].join(", ")}`).join("\n")}
  --sample N       mutants of each target, chosen at random (default: 150; 0 = all)
  --seed N         another sample (default: 1)
  --only TEXT      only files whose paths contain this
  --survivors      runs those again that survived before
  --excused        runs those as well that tooling/mutation/reasons.ts excuses
  --parallel N     mutants at a time (default: 1)
`;

export function optionsOf(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: args.filter((each) => each !== "--"),
    options: {
      backend: { type: "string", multiple: true, default: ["core"] },
      target: { type: "string", multiple: true },
      sample: { type: "string", default: "150" },
      seed: { type: "string", default: "1" },
      only: { type: "string" },
      survivors: { type: "boolean", default: false },
      excused: { type: "boolean", default: false },
      parallel: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const backends = values.backend.map((each) => oneOf(BACKENDS, each, "--backend"));
  const targets = values.target?.map((each) => oneOf(TARGETS, each, "--target"));
  const { only, survivors, excused } = values;
  const sample = wholeNumber(values.sample, "--sample") || Number.POSITIVE_INFINITY;
  const [seed, parallel] = [
    wholeNumber(values.seed, "--seed"),
    Math.max(1, wholeNumber(values.parallel, "--parallel")),
  ];
  return { backends, targets, sample, seed, only, survivors, excused, parallel };
}

function oneOf<T extends string>(known: readonly T[], value: string, option: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new TypeError(`${option} must be one of: ${known.join(", ")}`);
  return found;
}

function wholeNumber(value: string, option: string): number {
  if (!/^\d+$/.test(value)) throw new TypeError(`${option} must be a whole number`);
  return Number(value);
}
