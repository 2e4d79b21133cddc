import { afterAll, beforeAll } from "vitest";
import { findPgBouncer, startPgBouncer } from "../../../../tooling/databases/pgbouncer.ts";
import type { DatabaseServer } from "../../../../tooling/databases/server.ts";

const program = findPgBouncer();

/** Tests behind PgBouncer cannot run here. */
export const noPgBouncer = program === undefined;

/** For the top of a test file: PgBouncer before its database. */
export function usePgBouncer(database: { readonly url: string }): { readonly url: string } {
  let server: DatabaseServer | undefined;
  if (!program)
    console.warn(
      "SKIPPED: the tests behind PgBouncer, which is not on PATH. tooling/ci/pgbouncer.sh installs it on Debian",
    );
  beforeAll(async () => {
    if (program) server = await startPgBouncer(program, database.url);
  });
  afterAll(() => server?.stop());
  return {
    get url() {
      if (!server) throw new Error("There is no PgBouncer");
      return server.url;
    },
  };
}
