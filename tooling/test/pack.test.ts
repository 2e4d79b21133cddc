import { cp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { useDatabase } from "../databases/fixtures.ts";
import { publicPackages, repositoryRoot, run } from "../packages.ts";
import { installedVersion, usePackedProject } from "./packed-project.ts";

const entryPoints = publicPackages().flatMap((each) => each.entryPoints);
const project = usePackedProject({
  dependencies: {
    "@modelcontextprotocol/client": installedVersion("@modelcontextprotocol/client"),
    "@modelcontextprotocol/server": installedVersion("@modelcontextprotocol/server"),
    // Optional: the schemas alone need it.
    "drizzle-orm": installedVersion("drizzle-orm"),
    zod: installedVersion("zod"),
  },
  devDependencies: { "@types/node": installedVersion("@types/node") },
});

const database = useDatabase();

test("an ES module imports every entry point", async () => {
  const names = await exportedNames("program.mjs", (specifier) => `await import(${JSON.stringify(specifier)})`);
  expect(Object.keys(names)).toEqual(entryPoints);
});

test("a CommonJS module requires every entry point and gets the same names", async () => {
  const required = await exportedNames("program.cjs", (specifier) => `require(${JSON.stringify(specifier)})`);
  const imported = await exportedNames("program.mjs", (specifier) => `await import(${JSON.stringify(specifier)})`);
  expect(required).toEqual(imported);
});

// No other package has pg as its dependency.
test.each([
  ["SQLite", () => join(project.directory, "command-line.db")],
  ["PostgreSQL", () => database.url],
])("the command line makes a store in %s and lists its tasks", async (_, store) => {
  const bin = join(project.directory, "node_modules/.bin/mcp-tasks");
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };
  const mcpTasks = (command: string) =>
    run(bin, [command, "--store", store(), "--json"], { cwd: project.directory, env });
  await mcpTasks("migrate");
  expect(JSON.parse(await mcpTasks("list"))).toMatchObject({ command: "list", tasks: [] });
});

// Only the schemas expose drizzle's declarations, which name drivers that are not installed.
test.each([
  ["every entry point", entryPoints, true],
  [
    "every entry point but the schemas, libraries checked too",
    entryPoints.filter((name) => !name.endsWith("/schema")),
    false,
  ],
])(
  "strict TypeScript accepts an import and a require of %s",
  async (_, specifiers, skipLibCheck) => {
    const imports = specifiers.map(
      (specifier, index) => `export * as entry${index} from ${JSON.stringify(specifier)};`,
    );
    const requires = specifiers.map(
      (specifier, index) => `import entry${index} = require(${JSON.stringify(specifier)});\nexport { entry${index} };`,
    );
    await writeFile(join(project.directory, "consumer.mts"), imports.join("\n"));
    await writeFile(join(project.directory, "consumer.cts"), requires.join("\n"));
    // The package has no `type: module`, so this compiles to CommonJS.
    await writeFile(join(project.directory, "consumer.ts"), SERVER);
    await writeFile(join(project.directory, "consumer-server.mts"), SERVER);
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck,
      module: "nodenext",
      target: "es2023",
      types: ["node"],
      noEmit: true,
    };
    await writeFile(
      join(project.directory, "tsconfig.json"),
      JSON.stringify({ compilerOptions, include: ["consumer*"] }),
    );
    await run(join(repositoryRoot, "node_modules/.bin/tsc"), ["-p", project.directory, "--pretty", "false"], {
      cwd: project.directory,
    });
  },
  120_000,
);

// A process that uses both module systems has two copies of a peer with a build for each.
const ANSWERS = {
  task: { status: "completed", content: [{ type: "text", text: "rendered" }] },
  refusedTask: { status: "failed", error: { code: -32010, message: "Refused", data: { why: "sold out" } } },
  unknown: { code: -32602, message: "Task not found" },
  auto: { content: [{ type: "text", text: "rendered" }], refusal: { code: -32010, data: { why: "sold out" } } },
  legacy: { content: [{ type: "text", text: "rendered" }], refusal: { code: -32010, data: { why: "sold out" } } },
};

test.each([
  ["imports everything", "import", "import", "tasks"],
  ["requires everything", "require", "require", "tasks"],
  ["imports the extension for servers and a handler of an SDK that is required", "import", "require", "sdk"],
  ["requires the extension for servers and a handler of an SDK that is imported", "require", "import", "sdk"],
])("a program that %s serves tasks to clients of both generations", async (_, ours, sdk, handler) => {
  expect(await roundTrip(ours, sdk, handler)).toEqual(ANSWERS);
});

test("the extension's handler refuses servers of another copy of the SDK with a clear error", async () => {
  const { reported } = await roundTrip("import", "require", "tasks");
  expect(reported).toContain("another copy of @modelcontextprotocol/server");
});

test("a store with its own copy of core serves tasks to clients of both generations", async () => {
  const packages = join(project.directory, "node_modules/@mcp-task-store");
  const copies = join(packages, "memory/node_modules");
  await cp(join(packages, "core"), join(copies, "@mcp-task-store/core"), { recursive: true });
  try {
    expect(await roundTrip("import", "import", "tasks")).toEqual(ANSWERS);
  } finally {
    await rm(copies, { recursive: true });
  }
});

async function roundTrip(...how: string[]): Promise<Record<string, unknown>> {
  const options = { cwd: project.directory, timeoutMs: 60_000 };
  return JSON.parse(await run(process.execPath, ["round-trip.cjs", ...how], options));
}

const SERVER = `
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { TasksExtension } from "@mcp-task-store/server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const tasks = new TasksExtension({ store: new MemoryTaskStore() });

function factory(): McpServer {
  const server = new McpServer({ name: "studio", version: "1.0.0" });
  const inputSchema = z.object({ frames: z.number() });
  tasks.registerTool(server, "render", { inputSchema, task: "required" }, async ({ frames }, task) => {
    await task.progress("half");
    return { content: [{ type: "text", text: frames.toFixed() }] };
  });
  return server;
}

export const handlers = [tasks.createMcpHandler(factory), createMcpHandler(factory)];
`;

/** Runs a program that loads every entry point, and returns what each exports. */
async function exportedNames(file: string, load: (specifier: string) => string): Promise<Record<string, string[]>> {
  const entries = entryPoints.map(
    (specifier) => `names[${JSON.stringify(specifier)}] = Object.keys(${load(specifier)}).sort();`,
  );
  const program = ["const names = {};", ...entries, "console.log(JSON.stringify(names));"].join("\n");
  await writeFile(join(project.directory, file), program);
  return JSON.parse(await run(process.execPath, [file], { cwd: project.directory, timeoutMs: 60_000 }));
}
