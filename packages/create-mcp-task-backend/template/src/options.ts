import { checks, type OptionTable } from "@mcp-task-store/core/backend";

/** Where the tasks are. */
export interface ExampleOptions {
  /** Address of the database. */
  url: string;
  /**
   * Stores with different namespaces can share a database, and see none of each other's tasks: a
   * prefix of tables or keys, a schema, or a database on the server.
   * @default "mcp"
   */
  namespace?: string | undefined;
}

/** The check of each option. The store refuses an option that is in no table. */
export const OPTIONS: OptionTable<ExampleOptions> = {
  url: checks.text,
  namespace: checks.text,
};
