// Every entry point imports this first. Otherwise an old Node would fail only at the first call of
// a function that it lacks.

if (typeof Promise.withResolvers !== "function")
  throw new Error(`mcp-task-store needs Node 22.14 or newer: this is Node ${process.versions.node}`);
