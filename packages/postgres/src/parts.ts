import type { OwnerScope } from "@mcp-task-store/core";

/** What a call on a task consists of: the names of its parts, which decide on the statement, and the values of those that have one. */
export class Parts {
  /** The same for calls that take the same statement. */
  key: string;
  readonly values: unknown[];
  readonly #names: string[];

  constructor(names: readonly string[], taskId: string) {
    this.key = names.join(" ");
    this.values = [taskId];
    this.#names = ["taskId"];
  }

  /** A part with a value; nothing if there is none. */
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

  /** As it is written in the statement. */
  parameter(name: string): string {
    return `$${this.#names.indexOf(name) + 1}`;
  }
}

/** What the scope of a call demands of a task. */
export function inScope(parts: Parts): string {
  if (!parts.has("owner")) return "";
  const [owner, orUnowned] = [parts.parameter("owner"), parts.parameter("orUnowned")];
  return `AND (t.owner IS NOT DISTINCT FROM ${owner}::text OR (${orUnowned}::boolean AND t.owner IS NULL))`;
}
