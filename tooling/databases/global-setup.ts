import type { TestProject } from "vitest/node";
import { SharedServers } from "./shared.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where test files ask for the servers that they share. */
    databases: string;
  }
}

/** Gives a run its servers: none until a test file asks, each once, and all ended with the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = new SharedServers((line) => console.log(line));
  project.provide("databases", await servers.listen());
  return async () => {
    await servers.close();
    // Again where a reader looks. The variable is how CI says what it could not have.
    const notes = [...servers.lines, process.env["TEST_DATABASES_NOTE"] ?? ""].filter((line) => line !== "");
    if (servers.lines.length > 0) console.log(`\n${notes.join("\n")}`);
  };
}
