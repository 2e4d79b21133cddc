// Backends can be compared side by side: the same part has the same file and class name in each.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";

const BACKENDS = { memory: "Memory", sqlite: "Sqlite", postgres: "Postgres", redis: "Redis" } as const;
type Backend = keyof typeof BACKENDS;
const ALL = Object.keys(BACKENDS) as Backend[];

/**
 * A part of several backends: its file, the file's exports, and the backends. `X` stands for the
 * backend's name.
 */
const SHARED: readonly (readonly [file: string, exports: readonly string[], backends: readonly Backend[]])[] = [
  ["index.ts", [], ALL],
  ["task-store.ts", ["XTaskStore", "XTaskStoreOptions"], ALL],
  ["options.ts", ["XOptions", "X_OPTIONS"], ALL],
  ["backend.ts", ["XBackend"], ALL],
  ["messages.ts", ["Messages"], ALL],
  // The events that wait for notifiers.
  ["events.ts", ["Events"], ALL],
  // Selects the tasks of a claim. SQLite and Redis do that in a statement or a script.
  ["claims.ts", ["Claims"], ["memory", "postgres"]],
  // Claims with limits: the owners' turns.
  ["turns.ts", ["Turns"], ALL],
  // Passes changes to listeners. In memory a call does that.
  ["listen.ts", ["ChangeFeed"], ["sqlite", "postgres", "redis"]],
  ["errors.ts", ["toStoreError"], ["sqlite", "postgres", "redis"]],
  // The members of the driver's objects that the store needs, as structural types. Redis has an
  // adapter for each of its drivers in clients/.
  ["driver.ts", [], ["sqlite", "postgres", "redis"]],
  // Opens the driver's connections with the options that the store needs.
  ["open.ts", [], ["sqlite", "postgres", "redis"]],
  // Runs statements or commands on connections. An SQLite database is one synchronous connection.
  ["connection.ts", ["Connections"], ["postgres", "redis"]],
  ["connection.ts", ["Statement", "Connection"], ["sqlite"]],
  // Sends calls made together as one batch.
  ["together.ts", ["Together"], ["postgres", "redis"]],
  // A task as the database returns it, and its selected columns.
  ["rows.ts", [], ["sqlite", "postgres", "redis"]],
  // Names of tables and columns, for statements and for drizzle's tables.
  ["names.ts", [], ["sqlite", "postgres"]],
  ["schema.ts", ["schema"], ["sqlite", "postgres"]],
  ["migrate.ts", ["migrate", "MigrateOptions", "SCHEMA_VERSION"], ["sqlite", "postgres"]],
  ["migrations.generated.ts", ["migrations"], ["sqlite", "postgres"]],
  ["statements.ts", ["Statements"], ["sqlite", "postgres"]],
  // Creates tasks in transactions of the application.
  ["in-transaction.ts", ["InTransaction"], ["sqlite", "postgres"]],
  // Operators' searches.
  ["search.ts", ["Search"], ["sqlite", "postgres", "redis"]],
];

/** Parts of one database alone. */
const OWN: Record<Backend, Readonly<Record<string, readonly string[]>>> = {
  memory: {
    "storage.ts": ["MemoryStorage"],
    "entry.ts": ["Entry"],
    "positions.ts": ["Positions"],
    "queue.ts": ["Queue"],
  },
  sqlite: {
    "transactions.ts": ["Transactions"],
    "on-demand.ts": ["OnDemand"],
    "operators.ts": [],
    "insertion.ts": [],
  },
  postgres: {
    "notify.ts": ["Notifier"],
    "parts.ts": ["Parts"],
    "settled.ts": ["Settled"],
    "prepared-query.ts": ["PreparedQuery"],
    "session.ts": [],
    "statement.ts": ["Statement"],
    "creations.ts": ["Creations"],
    "pglite.ts": ["PGliteDatabase", "pglitePool"],
  },
  redis: {
    "commands.ts": ["Commands"],
    "commands.generated.ts": ["commands"],
    "deadlines.ts": ["Deadlines"],
    "keys.ts": ["Keys"],
    "server.ts": ["reportServer"],
    "server-clock.ts": ["ServerClock"],
  },
};

test.each(ALL)("every file of %s is a part in the table, and no part is missing", (backend) => {
  const shared = SHARED.filter(([, , backends]) => backends.includes(backend)).map(([file]) => file);
  const files = globSync("*.ts", { cwd: sources(backend) });
  expect(files.toSorted()).toEqual([...shared, ...Object.keys(OWN[backend])].toSorted());
});

test.each(ALL)("each part of %s exports what the table says", (backend) => {
  const shared = SHARED.filter(([, , backends]) => backends.includes(backend));
  const parts = [...shared.map(([file, exports]) => [file, exports] as const), ...Object.entries(OWN[backend])];
  const name = BACKENDS[backend];
  for (const [file, exports] of parts) {
    const text = readFileSync(join(sources(backend), file), "utf8");
    const declared = [...text.matchAll(/^export (?:async )?(?:class|function|const|interface|type) (\w+)/gm)];
    const expected = exports.map((each) => each.replace("X_", `${name.toUpperCase()}_`).replace(/^X/, name));
    expect(
      declared.map(([, declaredName]) => declaredName),
      file,
    ).toEqual(expect.arrayContaining(expected));
  }
});

test("a part that one database alone has gets a name of its own", () => {
  const own = ALL.flatMap((backend) => Object.keys(OWN[backend]));
  expect(own.toSorted()).toEqual([...new Set(own)].toSorted());
  expect(own.filter((file) => SHARED.some(([shared]) => shared === file))).toEqual([]);
});

function sources(backend: Backend): string {
  return join(repositoryRoot, "packages", backend, "src");
}
