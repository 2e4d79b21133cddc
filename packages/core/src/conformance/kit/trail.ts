import { inspect } from "node:util";

/** How many of a case's steps a failure shows: the first ones, which prepare, and the last ones. */
const SHOWN = { first: 8, last: 12 };
/** Longest text of a call, and of what came of it. */
const LENGTH = 120;

/** One thing that a case did, and what came of it. */
interface Step {
  readonly what: () => string;
  outcome: () => string;
}

/**
 * What a case did, in order, for the message of its failure. Texts are made only for a failure:
 * making one takes longer than a call, and would hold up the calls of a race. An object that a case
 * changes after a call is therefore shown as the case left it.
 */
export class Trail {
  readonly #first: Step[] = [];
  readonly #last: Step[] = [];
  readonly #named = new Map<string, number>();
  #count = 0;
  #ended = false;

  /** The name of the next thing of a kind, such as `store 2`. */
  next(kind: string): string {
    const number = (this.#named.get(kind) ?? 0) + 1;
    this.#named.set(kind, number);
    return `${kind} ${number}`;
  }

  /** Adds something that the case did without a call. */
  note(what: string): void {
    this.#add(() => what);
  }

  /**
   * Wraps an object so that the trail has the calls of its methods. Their promises are marked as
   * handled.
   */
  follow<T extends object>(target: T, name: string, inner: readonly (keyof T)[] = []): T {
    return new Proxy(target, {
      get: (_, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value === "function")
          return (...args: unknown[]) =>
            this.#call(`${name}.${String(key)}`, args, () => Reflect.apply(value, target, args));
        return inner.includes(key as keyof T) ? this.follow(value as object, `${name}.${String(key)}`) : value;
      },
    });
  }

  /** Keeps the outcomes as they are: calls that are under way would end with the stores. */
  end(): void {
    this.#ended = true;
  }

  /** The steps, a line each. */
  lines(): string[] {
    const left = this.#count - this.#first.length - this.#last.length;
    const line = (from: number) => (step: Step, index: number) =>
      `${from + index}. ${cut(step.what())}${step.outcome()}`;
    return [
      ...this.#first.map(line(1)),
      ...(left > 0 ? [`(${left} more)`] : []),
      ...this.#last.map(line(this.#first.length + left + 1)),
    ];
  }

  #call(method: string, args: readonly unknown[], run: () => unknown): unknown {
    const step = this.#add(() => `${method}(${argumentsOf(args)})`);
    const came = (outcome: () => string) => {
      if (!this.#ended) step.outcome = outcome;
    };
    came(() => " has not returned");
    try {
      const returned = run();
      if (returned instanceof Promise) {
        came(() => " has not settled");
        // Handles a rejection as well, whenever the case awaits it: it starts many calls before it
        // awaits the first one, and never awaits the rest if it fails.
        returned.then(
          (value) => came(() => ` → ${brief(value)}`),
          (error) => came(() => ` rejected: ${reason(error)}`),
        );
      } else came(() => ` → ${brief(returned)}`);
      return returned;
    } catch (error) {
      came(() => ` threw: ${reason(error)}`);
      throw error;
    }
  }

  #add(what: () => string): Step {
    const step = { what, outcome: () => "" };
    this.#count += 1;
    if (this.#first.length < SHOWN.first) this.#first.push(step);
    else if (this.#last.push(step) > SHOWN.last) this.#last.shift();
    return step;
  }
}

function argumentsOf(args: readonly unknown[]): string {
  const last = args.findLastIndex((value) => value !== undefined);
  return args
    .slice(0, last + 1)
    .map((value) => brief(value, 0))
    .join(", ");
}

/** A value on one line, without the payloads in it. */
function brief(value: unknown, depth = 1): string {
  try {
    return cut(inspect(value, { depth, maxStringLength: 32, maxArrayLength: 3, breakLength: Infinity }));
  } catch {
    // Objects of a hostile case may throw when they are looked at.
    return typeof value;
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return brief(error);
  const { code, message } = error as Error & { code?: unknown };
  return cut((code === undefined ? message : `${code}, ${message}`).replaceAll("\n", " "));
}

/** Shortens a text, and the task ids in it. */
function cut(text: string): string {
  const short = text.replace(/\b([0-9a-f]{8})[0-9a-f]{24}\b/g, "$1…");
  return short.length <= LENGTH ? short : `${short.slice(0, LENGTH)}…`;
}
