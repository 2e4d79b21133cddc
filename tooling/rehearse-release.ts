/**
 * Rehearses a release from end to end. In a copy of the repository it applies the waiting
 * changesets, builds, publishes to a temporary registry, installs an adapter from there into an
 * empty project, and starts a backend as `npm create` does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryRoot, run } from "./packages.ts";

const adapter = "@mcp-task-store/sqlite";
const creator = "create-mcp-task-backend";
const program = `
import { SqliteTaskStore } from "${adapter}";

const store = new SqliteTaskStore({ path: "tasks.db" });
const created = await store.createTask({ ttl: 60_000 }, 1, { method: "tools/call", params: {} });
const read = await store.getTask(created.taskId);
if (read?.status !== "working") throw new Error(\`expected a working task, got \${JSON.stringify(read)}\`);
await store.close();
`;

const scratch = await mkdtemp(join(tmpdir(), "rehearse-release-"));
let registry: Registry | undefined;
try {
  const copy = join(scratch, "repository");
  say("copying the repository");
  await copyRepository(copy);
  await run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline"], { cwd: copy });

  registry = await startRegistry(join(scratch, "registry"));
  say(`registry at ${registry.url}`);

  // Right after a release no changeset is waiting.
  await writeFile(join(copy, ".changeset/rehearsal.md"), `---\n"${adapter}": patch\n---\n\nA rehearsal.\n`);
  await run("pnpm", ["run", "version"], { cwd: copy });
  await git(copy, "commit", "--quiet", "--all", "--message", "Version the packages");
  await writeFile(join(copy, ".npmrc"), registry.npmrc);
  const published = await run("pnpm", ["run", "release"], { cwd: copy, env: { ...process.env, CI: "true" } });
  say([...new Set(published.match(new RegExp(`(@mcp-task-store/\\w+|${creator})@\\d\\S+`, "g")))].join(", "));

  const project = join(scratch, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await writeFile(join(project, ".npmrc"), registry.npmrc);
  await run("npm", ["install", "--no-audit", "--no-fund", adapter], { cwd: project });
  await writeFile(join(project, "program.js"), program);
  await run(process.execPath, ["program.js"], { cwd: project, timeoutMs: 60_000 });
  say(`${adapter} installed from the registry, and a task created and read with it`);

  const initializer = creator.replace("create-", "");
  await run("npm", ["create", "--yes", initializer, "my-backend", "--", "--runner", "node"], { cwd: project });
  const { name, peerDependencies } = JSON.parse(await readFile(join(project, "my-backend/package.json"), "utf8"));
  say(`${name} started from the registry, for ${JSON.stringify(peerDependencies)}`);
} finally {
  await registry?.stop();
  await rm(scratch, { recursive: true, force: true });
}

function say(message: string): void {
  console.log(`rehearsal: ${message}`);
}

/**
 * Copies all tracked and untracked files, with uncommitted changes, as a repository with one
 * commit.
 */
async function copyRepository(destination: string): Promise<void> {
  const listed = await git(repositoryRoot, "ls-files", "-z", "--cached", "--others", "--exclude-standard");
  for (const file of new Set(listed.split("\0").filter((name) => name !== ""))) {
    const source = join(repositoryRoot, file);
    // A file deleted but still tracked.
    if ((await lstat(source).catch(() => undefined)) === undefined) continue;
    await mkdir(dirname(join(destination, file)), { recursive: true });
    await cp(source, join(destination, file));
  }
  await git(destination, "init", "--quiet", "--initial-branch=main");
  await git(destination, "add", "--all");
  await git(destination, "commit", "--quiet", "--message", "A copy");
}

function git(cwd: string, ...args: string[]): Promise<string> {
  const identity = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost", "-c", "commit.gpgsign=false"];
  return run("git", [...identity, ...args], { cwd });
}

interface Registry {
  readonly url: string;
  /** Settings that make npm and pnpm publish to, and install from, this registry. */
  readonly npmrc: string;
  stop(): Promise<void>;
}

/** Serves our packages from `directory` alone, and all others from npm's configured registry. */
async function startRegistry(directory: string): Promise<Registry> {
  const upstream = (await run("npm", ["config", "get", "registry"], { cwd: tmpdir() })).trim();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const config = {
    storage: join(directory, "storage"),
    uplinks: { upstream: { url: upstream, timeout: "60s" } },
    packages: {
      "@mcp-task-store/*": { access: "$all", publish: "$all" },
      [creator]: { access: "$all", publish: "$all" },
      "**": { access: "$all", proxy: "upstream" },
    },
    max_body_size: "50mb",
    log: { type: "stdout", format: "pretty", level: "warn" },
  };
  await mkdir(directory);
  // JSON is YAML too.
  await writeFile(join(directory, "config.yaml"), JSON.stringify(config));

  const verdaccio = join(repositoryRoot, "tooling/node_modules/verdaccio/bin/verdaccio");
  const args = [verdaccio, "--config", join(directory, "config.yaml"), "--listen", `127.0.0.1:${port}`];
  // Its warnings concern production registries.
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  const child = spawn(process.execPath, args, { cwd: directory, env, stdio: ["ignore", "ignore", "inherit"] });
  const stop = () => end(child);
  try {
    await untilItAnswers(new URL("-/ping", url), child);
  } catch (error) {
    await stop();
    throw error;
  }
  // Anyone may publish, but the clients refuse to try without a token.
  return { url, npmrc: `registry=${url}\n//127.0.0.1:${port}/:_authToken=anybody\n`, stop };
}

async function untilItAnswers(url: URL, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (child.exitCode === null && Date.now() < deadline) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await sleep(100);
  }
  throw new Error("the registry did not start");
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
