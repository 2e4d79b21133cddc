import type { TestProject } from "vitest/node";
import { SharedServers } from "./shared.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The address at which test files request shared servers. */
    databases: string;
  }
}

/**
 * The servers of this run. Vitest sets up each group of tests separately, with its own modules, but
 * in one process.
 */
interface Run {
  servers: SharedServers;
  address: Promise<string>;
  groups: number;
}
const globals = globalThis as { databasesOfTheRun?: Run | undefined };

/** Starts each server once, when a test file first asks for it, and ends all with the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  globals.databasesOfTheRun ??= begin();
  const run = globals.databasesOfTheRun;
  run.groups += 1;
  project.provide("databases", await run.address);
  return async () => {
    run.groups -= 1;
    if (run.groups > 0) return;
    globals.databasesOfTheRun = undefined;
    await run.servers.close();
    // Repeats the servers where readers look. CI sets the variable to name servers that it lacks.
    const notes = [...run.servers.lines, process.env["TEST_DATABASES_NOTE"] ?? ""].filter((line) => line !== "");
    if (run.servers.lines.length > 0) console.log(`\n${notes.join("\n")}`);
  };
}

function begin(): Run {
  const servers = new SharedServers((line) => console.log(line));
  return { servers, address: servers.listen(), groups: 0 };
}
