import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../packages.ts";
import { end } from "./processes.ts";

/** A resource that must not outlive the run. */
export type Belonging =
  | { readonly kind: "process"; readonly pid: number; readonly signal: NodeJS.Signals }
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "network"; readonly name: string }
  | { readonly kind: "containers"; readonly label: string };

/** The label of every container we start. Its value identifies the start. */
export const containerLabel = "mcp-task-store.tests";

export async function remove(belonging: Belonging): Promise<void> {
  switch (belonging.kind) {
    case "process":
      return end(belonging.pid, belonging.signal);
    case "directory":
      await releaseSharedMemory(belonging.path);
      return rm(belonging.path, { recursive: true, force: true });
    case "network":
      return removeNetwork(belonging.name);
    case "containers":
      return removeContainers(belonging.label);
  }
}

/**
 * A killed Postgres leaves a segment of System V shared memory. Its number is in `postmaster.pid`.
 */
export async function releaseSharedMemory(path: string): Promise<void> {
  const lock = await readFile(join(path, "data/postmaster.pid"), "utf8").catch(() => "");
  const segment = lock.split("\n")[6]?.trim().split(/\s+/)[1];
  // The next server may have released it.
  if (segment !== undefined) await run("ipcrm", ["-m", segment], { cwd: "/" }).catch(() => undefined);
}

async function removeContainers(label: string): Promise<void> {
  const { getContainerRuntimeClient } = await import("testcontainers");
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const filters = { label: [`${containerLabel}=${label}`] };
  for (const { Id } of await dockerode.listContainers({ all: true, filters })) {
    await dockerode.getContainer(Id).remove({ force: true, v: true });
  }
}

/** The namespaces that `TwoSides` makes, as far as they are there. */
async function removeNetwork(name: string): Promise<void> {
  const commands = [`link delete ${name}`, ...[`${name}-2`, `${name}-3`, name].map((each) => `netns delete ${each}`)];
  for (const command of commands) await run("ip", command.split(" "), { cwd: "/" }).catch(() => undefined);
}
