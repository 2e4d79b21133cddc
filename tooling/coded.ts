import { createHash } from "node:crypto";
import { aesGcm, compress, type PayloadCodec, type TaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import type { Harness } from "@mcp-task-store/core/conformance";

const keys = new Map<string | undefined, Uint8Array>();

/** The same key in every process. No application should make its keys of what is readable. */
function keyOf(owner: string | undefined): Uint8Array {
  const key =
    keys.get(owner) ??
    createHash("sha256")
      .update(JSON.stringify(owner ?? null))
      .digest();
  keys.set(owner, key);
  return key;
}

/** A codec that changes every payload, with a key for each owner. */
export function testCodec(): PayloadCodec {
  return {
    compress: compress({ aboveBytes: 32 }),
    encrypt: aesGcm({ keys: (_, { owner }) => keyOf(owner), current: "test" }),
  };
}

/** The harness of the same stores with a codec. */
export function coded(harness: Harness): Harness {
  return {
    ...harness,
    name: `${harness.name}, encrypted`,
    async isolate() {
      const place = await harness.isolate();
      return {
        ...place,
        open: (options) => place.open({ codec: testCodec(), ...options }),
        remote: place.remote && { module: import.meta.url, argument: place.remote },
      };
    },
  };
}

/** In another process: opens the store that the harness would open there, with the codec. */
export async function open(
  { module, argument }: { module: string; argument: unknown },
  options: TaskStoreOptions,
): Promise<TaskStore> {
  const door = (await import(module)) as { open(argument: unknown, options: TaskStoreOptions): Promise<TaskStore> };
  return door.open(argument, { codec: testCodec(), ...options });
}
