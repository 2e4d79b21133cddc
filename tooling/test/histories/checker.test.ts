import fc from "fast-check";
import { expect, test } from "vitest";
import { check, type Model, type Timed } from "../../histories/checker.ts";

/** A register of one number, whose answers say everything. */
interface Op extends Timed {
  readonly call: { readonly write: number } | { readonly swap: readonly [from: number, to: number] } | "read";
  /** `undefined`: lost. */
  readonly answer: number | boolean | undefined;
}

const register: Model<number, Op> = {
  initial: 0,
  step(value, { call, answer }) {
    if (call === "read") return answer === value ? value : undefined;
    if ("write" in call) return call.write;
    const [from, to] = call.swap;
    const swaps = from === value;
    if (answer !== undefined && answer !== swaps) return undefined;
    return swaps ? to : answer === undefined ? undefined : value;
  },
  isRead: ({ call, answer }) => call === "read" || answer === false,
  key: String,
};

/** Tries every order of every choice of the operations with lost answers. */
function tryAll(ops: readonly Op[]): boolean {
  const placeNext = (value: number, left: readonly Op[]): boolean => {
    if (left.every(({ returned }) => returned === Infinity)) return true;
    const first = Math.min(...left.map(({ returned }) => returned));
    return left.some((op) => {
      if (op.invoked > first || (op.after && left.includes(op.after as Op))) return false;
      const next = register.step(value, op);
      return (
        next !== undefined &&
        placeNext(
          next,
          left.filter((one) => one !== op),
        )
      );
    });
  };
  return placeNext(0, ops);
}

const value = fc.nat(2);
const operation = fc
  .record({
    start: fc.nat(12),
    length: fc.nat(6),
    call: fc.oneof(
      value.map((write) => ({ write })),
      fc.tuple(value, value).map((swap) => ({ swap })),
      fc.constant("read" as const),
    ),
    seen: value,
    swapped: fc.boolean(),
    isLost: fc.nat(4).map((one) => one === 0),
  })
  .map(({ start, length, call, seen, swapped, isLost }): Op => {
    const answer = call === "read" ? seen : "swap" in call ? swapped : true;
    const lost = isLost && call !== "read";
    return { call, answer: lost ? undefined : answer, invoked: start, returned: lost ? Infinity : start + length };
  });

/** Some operations have to follow others, as the calls for a queue of one process. */
const history = fc.tuple(fc.array(operation, { maxLength: 7 }), fc.boolean()).map(([ops, isOrdered]) => {
  const sorted = ops.toSorted((one, other) => one.invoked - other.invoked);
  const chained: Op[] = [];
  for (const op of sorted) {
    const last = chained.findLast(({ returned }) => returned !== Infinity);
    chained.push(isOrdered && op.returned !== Infinity ? { ...op, after: last } : op);
  }
  return chained;
});

test("the search finds an order exactly if trying all orders does", () => {
  let found = 0;
  fc.assert(
    fc.property(history, (ops) => {
      const { verdict } = check(register, ops);
      found += verdict === "linearizable" ? 1 : 0;
      expect(verdict).toBe(tryAll(ops) ? "linearizable" : "violation");
    }),
    { numRuns: 2000, seed: 1 },
  );
  // Neither kind of history is rare.
  expect(found).toBeGreaterThan(300);
  expect(found).toBeLessThan(1700);
});

test("the order that it finds is one of the operations' times, and explains every answer", () => {
  fc.assert(
    fc.property(history, (ops) => {
      const result = check(register, ops);
      if (result.verdict !== "linearizable") return;
      const { order } = result;
      for (const [index, op] of order.entries())
        for (const later of order.slice(index)) expect(op.invoked).toBeLessThanOrEqual(later.returned);
      let value = 0;
      for (const op of order) value = register.step(value, op) as number;
      expect(new Set(order)).toHaveLength(order.length);
      for (const op of ops) if (op.returned !== Infinity) expect(order).toContain(op);
    }),
    { numRuns: 500, seed: 2 },
  );
});

test("a search that would take too long is undecided", () => {
  const swaps = Array.from(
    { length: 12 },
    (_, index): Op => ({
      call: { swap: [index % 3, (index + 1) % 3] },
      answer: undefined,
      invoked: 0,
      returned: Infinity,
    }),
  );
  const impossible: Op = { call: "read", answer: 9, invoked: 1, returned: 2 };
  expect(check(register, [...swaps, impossible], 100).verdict).toBe("undecided");
  expect(check(register, [...swaps, impossible]).verdict).toBe("violation");
});
