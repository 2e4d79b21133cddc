import type { OwnerScope } from "@mcp-task-store/core/backend";

/**
 * The parts of a call on a task. Their names select the statement. Some have a value, which becomes
 * a parameter.
 */
export class Parts {
  /** Calls with the same key use the same statement. */
  key: string;
  readonly values: unknown[];
  readonly #names: string[];

  /** @param which The task's id, or the ids of tasks: the first parameter. */
  constructor(names: readonly string[], which: string | readonly string[]) {
    this.key = names.join(" ");
    this.values = [which];
    this.#names = ["taskId"];
  }

  /** Adds a part with its value, unless the value is `undefined`. */
  add(name: string, value: unknown): this {
    if (value === undefined) return this;
    this.key += ` ${name}`;
    this.#names.push(name);
    this.values.push(value);
    return this;
  }

  addScope(scope: OwnerScope): this {
    return scope === null ? this : this.add("owner", scope.owner).add("orUnowned", scope.orUnowned);
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** The part's placeholder in the statement. */
  parameter(name: string): string {
    return `$${this.#names.indexOf(name) + 1}`;
  }
}

/** The condition that the task is in the scope of the call. */
export function inScope(parts: Parts): string {
  if (!parts.has("owner")) return "";
  const [owner, orUnowned] = [parts.parameter("owner"), parts.parameter("orUnowned")];
  return `AND (t.owner IS NOT DISTINCT FROM ${owner}::text OR (${orUnowned}::boolean AND t.owner IS NULL))`;
}
