import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { publicPackages, repositoryRoot } from "../packages.ts";

// What tooling/docs/run/supply-chain.md promises, as far as files can keep it.

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}
interface Workflow {
  on: Record<string, unknown>;
  permissions?: unknown;
  jobs: Record<string, { permissions?: Record<string, string>; "timeout-minutes"?: number; steps: Step[] }>;
}

const workflows = globSync(".github/workflows/*.yml", { cwd: repositoryRoot })
  .toSorted()
  .map((path) => {
    const text = readFileSync(join(repositoryRoot, path), "utf8");
    return { name: basename(path, ".yml"), text, workflow: parse(text) as Workflow };
  });

/** What a job may write. Everything else reads, at most. */
const WRITES = {
  "codeql.analyze": ["security-events"],
  "release.version": ["contents", "pull-requests"],
  "release.publish": ["contents", "id-token"],
  "scorecard.scorecard": ["id-token", "security-events"],
  "site.publish": ["id-token", "pages"],
};

describe("a workflow", () => {
  test.each(workflows)("$name names every action by a commit, and its version beside it", ({ text }) => {
    const lines = text.match(/^.*\buses:.*$/gm) ?? [];
    expect(lines).not.toEqual([]);
    for (const line of lines) expect(line).toMatch(/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test.each(workflows)("$name gives no permission but by job", ({ workflow }) => {
    expect(workflow.permissions).toEqual({});
    for (const job of Object.values(workflow.jobs)) expect(job.permissions).toBeDefined();
  });

  test.each(workflows)("$name bounds each job, and leaves no token in a working copy", ({ workflow }) => {
    for (const { steps, "timeout-minutes": minutes } of Object.values(workflow.jobs)) {
      expect(minutes).toBeLessThanOrEqual(60);
      const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
      for (const step of checkouts) expect(step.with).toMatchObject({ "persist-credentials": false });
    }
  });

  test.each(workflows)("$name runs no text that a stranger can write", ({ workflow }) => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    expect(Object.keys(workflow.on)).not.toContain("workflow_run");
    // Expressions become part of a script before a shell reads it. Environment variables do not.
    const scripts = Object.values(workflow.jobs).flatMap(({ steps }) => steps.map(({ run = "" }) => run));
    for (const script of scripts) expect(script).not.toContain("${{");
  });
});

test("workflows take the one pnpm that package.json names", () => {
  const { packageManager } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const named = workflows.flatMap(({ text }) => text.match(/pnpm@[\w.-]+/g) ?? []);
  expect(named).not.toEqual([]);
  expect([...new Set(named)]).toEqual([packageManager]);
});

test("jobs write what they must, and the same action is the same commit in all of them", () => {
  const writes: Record<string, string[]> = {};
  const commits: Record<string, Set<string>> = {};
  for (const { name, workflow } of workflows)
    for (const [job, { permissions = {}, steps }] of Object.entries(workflow.jobs)) {
      const written = Object.keys(permissions).filter((scope) => permissions[scope] === "write");
      if (written.length > 0) writes[`${name}.${job}`] = written.toSorted();
      for (const { uses } of steps) {
        const [, repository = "", commit = ""] = /^([\w.-]+\/[\w.-]+).*@(.+)$/.exec(uses ?? "") ?? [];
        if (repository !== "") commits[repository] = (commits[repository] ?? new Set()).add(commit);
      }
    }
  expect(writes).toEqual(WRITES);
  for (const commit of Object.values(commits)) expect([...commit]).toHaveLength(1);
});

/** Everything that an installation of a package brings. A new line here is a decision. */
const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  "@mcp-task-store/cli": [
    ...["@mcp-task-store/core", "@mcp-task-store/dashboard", "@mcp-task-store/postgres", "@mcp-task-store/redis"],
    ...["@mcp-task-store/sqlite", "better-sqlite3", "ioredis", "pg"],
  ],
  "@mcp-task-store/core": [],
  "@mcp-task-store/dashboard": ["@mcp-task-store/core"],
  "@mcp-task-store/memory": ["@mcp-task-store/core"],
  "@mcp-task-store/otel": ["@mcp-task-store/core"],
  "@mcp-task-store/postgres": ["@mcp-task-store/core"],
  "@mcp-task-store/redis": ["@mcp-task-store/core"],
  "@mcp-task-store/s3": ["@mcp-task-store/core", "aws4fetch"],
  "@mcp-task-store/server": ["@mcp-task-store/core"],
  "@mcp-task-store/sqlite": ["@mcp-task-store/core"],
  "create-mcp-task-backend": [],
};

/** Scripts that npm runs when a package is installed, or packed from a working copy. */
const LIFE_CYCLE = /^(pre|post)?(install|uninstall|prepare|pack|publish|publishOnly|version)$|^dependencies$/;

describe("the packages", () => {
  const manifests = publicPackages().map(({ name, directory }) => ({
    name,
    manifest: JSON.parse(readFileSync(join(directory, "package.json"), "utf8")),
  }));

  test("depend on a known list", () => {
    const found = manifests.map(({ name, manifest: { dependencies = {}, optionalDependencies = {} } }) => [
      name,
      Object.keys({ ...dependencies, ...optionalDependencies }).toSorted(),
    ]);
    expect(Object.fromEntries(found)).toEqual(DEPENDENCIES);
  });

  test.each(manifests)("$name runs nothing when it is installed, and says what it publishes", ({ manifest }) => {
    expect(Object.keys(manifest.scripts).filter((name) => LIFE_CYCLE.test(name))).toEqual([]);
    expect(manifest).not.toHaveProperty("gypfile");
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "src", "!**/*.tsbuildinfo", "CHANGELOG.md"]));
    const known = ["dist", "src", "migrations", "template", "!**/*.tsbuildinfo", "CHANGELOG.md", "UPGRADING.md"];
    expect(manifest.files.filter((name: string) => !known.includes(name))).toEqual([]);
    expect(manifest).toMatchObject({ license: "MIT", publishConfig: { access: "public" } });
    // npm compares it with the repository that the provenance names.
    expect(manifest.repository.url).toBe("git+https://github.com/mcp-task-store/mcp-task-store.git");
  });
});

test("the page goes through every check of Scorecard", () => {
  const page = readFileSync(join(repositoryRoot, "tooling/docs/run/supply-chain.md"), "utf8");
  const checks = [
    ...["Binary-Artifacts", "Branch-Protection", "CI-Tests", "CII-Best-Practices", "Code-Review", "Contributors"],
    ...["Dangerous-Workflow", "Dependency-Update-Tool", "Fuzzing", "License", "Maintained", "Packaging"],
    ...["Pinned-Dependencies", "SAST", "SBOM", "Security-Policy", "Signed-Releases", "Token-Permissions"],
    ...["Vulnerabilities", "Webhooks"],
  ];
  expect(page.match(/(?<=^\| )[A-Z][A-Za-z-]+(?= \|)/gm)).toEqual(checks);
});
