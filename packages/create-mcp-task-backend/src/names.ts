import { UsageError } from "./options.ts";

/** Words that say what every such package is, and not which database it is for. */
const COMMON = new Set(["mcp", "task", "tasks", "store", "backend"]);

/** @throws UsageError if npm would refuse the name */
export function checkName(name: string): void {
  if (name.length > 214 || !/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name))
    throw new UsageError(
      `npm takes no package of the name ${JSON.stringify(name)}: give lower-case letters, digits and hyphens with --name`,
    );
}

/** The beginning of class names: `Mongo` for `@acme/mcp-task-mongo`, `My` for `my-store`. */
export function classPrefix(name: string): string {
  const words = name
    .replace(/^@[^/]*\//, "")
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "" && !COMMON.has(word));
  const prefix = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return /^[A-Z]/.test(prefix) ? prefix : `My${prefix}`;
}
