// Which file may import which, `import type` included. `pnpm lint` checks it.

/** A room of core, and the rooms that it must not know. */
const rooms = [
  ["contract", "process|codec|backend|store|runner|poller|notifier|monitoring|conformance"],
  ["process", "codec|backend|store|runner|poller|notifier|monitoring|conformance"],
  ["backend", "codec|store|runner|poller|notifier|monitoring|conformance"],
  ["codec", "store|runner|poller|notifier|monitoring|conformance"],
  ["store", "runner|poller|notifier|monitoring|conformance"],
  ["runner", "codec|store|poller|notifier|monitoring|conformance"],
  ["poller", "codec|store|runner|notifier|monitoring|conformance"],
  ["notifier", "codec|backend|store|runner|poller|monitoring|conformance"],
  ["monitoring", "codec|backend|store|runner|poller|notifier|conformance"],
];

const downOnly = rooms.map(([room, above]) => ({
  name: `core-${room}-looks-down`,
  comment: `packages/core/src/${room} must not import from ${above.replaceAll("|", ", ")}. Move what it needs to a room below both (ARCHITECTURE.md has the picture), or pass it in as an argument.`,
  severity: "error",
  // The entry point for backend authors gathers names of all rooms, and no room imports it.
  from: { path: `^packages/core/src/${room}/`, pathNot: "^packages/core/src/backend/index\\.ts$" },
  to: { path: `^packages/core/src/(${above})/` },
}));

/** A room or a file of the server, and those that it must not know. */
const serverRooms = [
  ["sdk-seams", "options|places|protocol|extension-context|running|transports|methods|tasks-extension|index"],
  ["options", "places|protocol|extension-context|running|transports|methods|tasks-extension|index"],
  ["protocol", "places|extension-context|running|transports|methods|tasks-extension|index"],
  ["extension-context", "running|transports|methods|tasks-extension|index"],
  ["running", "transports|methods|tasks-extension|index"],
  ["transports", "running|methods|tasks-extension|index"],
  ["methods", "tasks-extension|index"],
];

const serverDownOnly = serverRooms.map(([room, above]) => ({
  name: `server-${room}-looks-down`,
  comment: `packages/server/src/${room} must not import from ${above.replaceAll("|", ", ")}. Move what it needs to a room below both, or pass it in as an argument. What relies on how the SDK works belongs in sdk-seams.ts, which imports nothing of the package.`,
  severity: "error",
  from: { path: `^packages/server/src/${room}[./]` },
  to: { path: `^packages/server/src/(${above})[./]` },
}));

module.exports = {
  forbidden: [
    ...downOnly,
    ...serverDownOnly,
    {
      name: "no-circle",
      comment:
        "Two files import each other, perhaps by way of others. Move what both need, mostly a type, to a file that imports neither.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "packages-one-way",
      comment: "A package imports no other package but core. What two packages share belongs in packages/core.",
      severity: "error",
      // The command line opens every store, and no package imports it.
      from: { path: "^packages/([^/]+)/src/", pathNot: "^packages/cli/" },
      to: { path: "^packages/[^/]+/(src|dist)/", pathNot: "^packages/($1|core)/" },
    },
    {
      name: "dashboard-client-knows-few",
      comment: "What runs in the browser shares only types and questions.ts with the server's part of the dashboard.",
      severity: "error",
      from: { path: "^packages/dashboard/client/" },
      to: { path: "^packages/dashboard/src/", pathNot: "^packages/dashboard/src/(wire|questions|access)\\.ts$" },
    },
    {
      name: "packages-without-tooling",
      comment: "tooling/ is not published. Move what the package needs into its own src.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/" },
      to: { path: "^tooling/" },
    },
  ],
  options: { tsPreCompilationDeps: true, doNotFollow: { path: "node_modules|/dist/" } },
};
