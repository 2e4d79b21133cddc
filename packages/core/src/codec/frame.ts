// A payload that a stage has changed is a frame: a mark, the stage's id, its note, the owner, and
// then the bytes. The bytes of one stage are the input of the next, so frames lie in each other,
// and encryption covers the frames inside. The outermost frame is text: its bytes are base64url.

import { CODED, isCoded } from "../contract/json.ts";

const MARK_BYTE = 0x7e;
const SEPARATOR_BYTE = 0x7c;

export interface Frame {
  readonly id: string;
  readonly note: string;
  /** `undefined` = the stage did not ask for the owner, or there was none. */
  readonly owner: string | undefined;
}

export function isStageId(id: unknown): id is string {
  return typeof id === "string" && /^[a-zA-Z0-9-]{1,64}$/.test(id);
}

/** The beginning of a frame, without its bytes. */
export function headOf({ id, note, owner }: Frame): string {
  const whose = owner === undefined ? "" : `=${encodeURIComponent(owner)}`;
  return `${CODED}${id}|${encodeURIComponent(note)}|${whose}|`;
}

/** The frame as bytes, for the next stage. */
export function frameBytes(frame: Frame, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(headOf(frame)), bytes]);
}

/** The frame as text, for the database. It has no character that JSON escapes. */
export function frameText(frame: Frame, bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  return headOf(frame) + Buffer.from(buffer, byteOffset, byteLength).toString("base64url");
}

/** The frame of a text; `undefined` if it is broken. */
export function readFrame(text: string): (Frame & { readonly bytes: () => Uint8Array }) | undefined {
  const parts = text.slice(1).split("|");
  if (!isCoded(text) || parts.length !== 4) return undefined;
  const head = readHead(parts);
  return head && { ...head, bytes: () => Buffer.from(parts[3] as string, "base64url") };
}

/** The frame that these bytes begin with, or `undefined` if they are a payload's own JSON. */
export function readInnerFrame(bytes: Uint8Array): (Frame & { readonly bytes: () => Uint8Array }) | undefined {
  if (bytes[0] !== MARK_BYTE) return undefined;
  let end = -1;
  for (let part = 0; part < 3; part += 1) {
    end = bytes.indexOf(SEPARATOR_BYTE, end + 1);
    if (end < 0) return undefined;
  }
  const head = readHead(Buffer.from(bytes.subarray(1, end)).toString().split("|"));
  return head && { ...head, bytes: () => bytes.subarray(end + 1) };
}

function readHead([id = "", note = "", whose = ""]: readonly string[]): Frame | undefined {
  // Messages of errors have the id.
  if (!isStageId(id)) return undefined;
  try {
    const owner = whose === "" ? undefined : decodeURIComponent(whose.slice(1));
    return { id, note: decodeURIComponent(note), owner };
  } catch {
    return undefined;
  }
}
