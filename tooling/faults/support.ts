import { afterAll, beforeAll, expect } from "vitest";
import { BOUND_MS } from "./stores.ts";

/** For the top of a test file: fails it for an unhandled rejection. */
export function watchRejections(): void {
  const unheard: unknown[] = [];
  const hear = (reason: unknown) => unheard.push(reason);
  beforeAll(() => void process.on("unhandledRejection", hear));
  afterAll(() => {
    process.off("unhandledRejection", hear);
    expect(unheard).toEqual([]);
  });
}

/** Fails when a call takes longer than `BOUND_MS`. */
export async function inTime<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The call takes longer than ${BOUND_MS} ms`)), BOUND_MS);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}
