import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  aesGcm,
  compress,
  directoryStorage,
  type ObjectStorage,
  offload,
  type PayloadCodec,
  type TaskStore,
} from "@mcp-task-store/core";
import { afterEach, beforeEach } from "vitest";
import { type Handles, useHandles } from "../../../../../tooling/test/fixtures/handles.ts";
import type { StoreKind } from "../../../../../tooling/test/fixtures/stores.ts";

/** Payloads of more bytes leave the database. */
export const ABOVE_BYTES = 300;
export const GRACE_MS = 3_600_000;

/** A text that leaves the database. */
export function large(word: string): string {
  return `${word} `.repeat(400);
}

export function codecOver(storage: ObjectStorage, encrypted = false): PayloadCodec {
  const stages = { offload: offload({ storage, aboveBytes: ABOVE_BYTES, graceMs: GRACE_MS }) };
  if (!encrypted) return stages;
  const keys = { one: new Uint8Array(32).fill(7) };
  return { ...stages, compress: compress({ aboveBytes: 100_000 }), encrypt: aesGcm({ keys, current: "one" }) };
}

export interface Objects extends Handles {
  /** The folder of the storage. */
  readonly folder: string;
  readonly storage: ObjectStorage;
  /** Another handle with the codec over a storage of its own. */
  open(storage?: ObjectStorage): TaskStore;
  /** The paths of all objects, and of those that were begun. */
  files(): string[];
  contents(): Buffer[];
  /** Changes the bytes of all objects. */
  rewrite(change: (bytes: Buffer) => Buffer): void;
  /** Makes all objects look as if they were written long ago. */
  age(ms?: number): void;
  /** One sweep by a handle of its own, which has seen no write. */
  sweep(): Promise<void>;
}

/** Two handles whose large payloads lie in a folder. For the top of a `describe`. */
export function useObjects(kind: StoreKind, encrypted = false): Objects {
  const handles = useHandles(kind);
  const objects = handles as { -readonly [Name in keyof Objects]: Objects[Name] };
  beforeEach(() => {
    const folder = mkdtempSync(join(tmpdir(), "objects-"));
    const storage = directoryStorage(folder);
    const open = (over = storage) => handles.place.open({ codec: codecOver(over, encrypted) });
    const files = () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== ".clock")
        .map((entry) => join(entry.parentPath, entry.name));
    Object.assign(objects, {
      folder,
      storage,
      open,
      files,
      contents: () => files().map((file) => readFileSync(file)),
      rewrite(change: (bytes: Buffer) => Buffer) {
        for (const file of files()) writeFileSync(file, change(readFileSync(file)));
      },
      age(ms = GRACE_MS + 1000) {
        const then = new Date(Date.now() - ms);
        for (const file of files()) utimesSync(file, then, then);
      },
      async sweep() {
        const store = open();
        await store.deleteExpired();
        await store.close();
      },
      store: open(),
      other: open(),
    });
  });
  afterEach(() => rmSync(objects.folder, { recursive: true, force: true }));
  return objects;
}
