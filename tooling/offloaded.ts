import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  directoryStorage,
  offload,
  type PayloadCodec,
  type TaskStore,
  type TaskStoreOptions,
} from "@mcp-task-store/core";
import type { Harness } from "@mcp-task-store/core/conformance";
import { testCodec } from "./coded.ts";

/** A codec by which every payload leaves the database that can. */
function outsideCodec(folder: string): PayloadCodec {
  return { ...testCodec(), offload: offload({ storage: directoryStorage(folder), aboveBytes: 16 }) };
}

/** The harness of the same stores with encrypted payloads in a folder. */
export function offloaded(harness: Harness): Harness {
  return {
    ...harness,
    name: `${harness.name}, encrypted, in a folder`,
    async isolate() {
      const place = await harness.isolate();
      const folder = await mkdtemp(join(tmpdir(), "payloads-"));
      return {
        ...place,
        open: (options) => place.open({ codec: outsideCodec(folder), ...options }),
        remote: place.remote && { module: import.meta.url, argument: { ...place.remote, folder } },
        async destroy() {
          await place.destroy?.();
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

/** In another process: opens the store that the harness would open there, with the codec. */
export async function open(
  { module, argument, folder }: { module: string; argument: unknown; folder: string },
  options: TaskStoreOptions,
): Promise<TaskStore> {
  const door = (await import(module)) as { open(argument: unknown, options: TaskStoreOptions): Promise<TaskStore> };
  return door.open(argument, { codec: outsideCodec(folder), ...options });
}
