// Makes a failing history small.
import { CONFIGURATIONS, check, type Model, type Timed } from "./checker.ts";

/** Configurations of one check while shrinking, and of all of them. */
const LIMIT = 2000;
const LIMIT_OF_ALL = 200_000;

/**
 * The operations that a violation needs. The others may have taken effect or not, with any answer:
 * the ones that are left have no order in either case. `operations` has to be a violation. A search
 * that takes long keeps more operations than it needs.
 */
export function shrink<State, Op extends Timed>(
  model: Model<State, Op>,
  operations: readonly Op[],
  doubted: (op: Op) => Op,
): Op[] {
  let left = LIMIT_OF_ALL;
  const fails = (ops: readonly Op[]) => {
    const found = left > 0 ? check(model, ops, LIMIT) : { verdict: "undecided" };
    left -= "configurations" in found ? (found.configurations as number) : LIMIT;
    return found.verdict === "violation";
  };
  let ops = untilItFails(model, operations, doubted);
  let kept = ops.filter(({ returned }) => returned !== Infinity);
  for (let size = kept.length >> 1; size >= 1; size >>= 1) {
    // Last ones first: the contradiction itself is among them.
    for (let end = kept.length; end > 0; end -= size) {
      const dropped = new Set(kept.slice(Math.max(0, end - size), end));
      const some = ops.flatMap((op) => (dropped.has(op) ? (model.isRead(op) ? [] : [doubted(op)]) : [op]));
      if (!fails(some)) continue;
      ops = some;
      kept = kept.filter((op) => !dropped.has(op));
    }
  }
  return kept;
}

/** The shortest beginning of the history that fails. What had not returned by then is in doubt. */
function untilItFails<State, Op extends Timed>(
  model: Model<State, Op>,
  operations: readonly Op[],
  doubted: (op: Op) => Op,
): readonly Op[] {
  const until = (time: number) =>
    operations
      .filter(({ invoked }) => invoked <= time)
      .map((op) => (op.returned <= time || op.returned === Infinity ? op : doubted(op)));
  const times = operations.map(({ returned }) => returned).filter((time) => time !== Infinity);
  times.sort((one, other) => one - other);
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (check(model, until(times[middle] as number), CONFIGURATIONS).verdict === "violation") high = middle;
    else low = middle + 1;
  }
  return until(times[low] as number);
}
