import type { PayloadCodec, PayloadPlace, PayloadStage } from "../contract/codec.ts";
import { isTaskStoreError, TaskStoreError, unreadable } from "../contract/errors.ts";
import { isCoded, unreadableText } from "../contract/json.ts";
import { type Frame, frameBytes, frameText, headOf, readFrame, readInnerFrame } from "./frame.ts";

/** A place without what the codec adds to it. */
export type Place = Omit<PayloadPlace, "storeId">;

/**
 * Fields that cannot leave the database. The backend copies status messages and the history
 * elsewhere. A message is taken once, and would be lost if its object was out of reach just then.
 */
const STAY_INSIDE: readonly string[] = ["statusMessage", "history", "message"];

/** Changes the texts of payloads by the stages of a codec. */
export class Codec {
  /** Set when the backend is open. */
  storeId = "";
  readonly stages: readonly PayloadStage[];
  readonly #encrypt: PayloadStage | undefined;
  readonly #offload: PayloadStage | undefined;

  constructor({ compress, encrypt, offload }: PayloadCodec) {
    this.stages = [compress, encrypt, offload].filter((stage) => stage !== undefined);
    this.#encrypt = encrypt;
    this.#offload = offload;
  }

  /** A payload can be written only by a caller that knows its owner. */
  get needsOwner(): boolean {
    return this.stages.some(({ perOwner }) => perOwner === true);
  }

  get encrypts(): boolean {
    return this.#encrypt !== undefined;
  }

  /**
   * The text to store. `owner` of the place counts only if a stage asks for it.
   * @throws TaskStoreError `PAYLOAD_UNREADABLE` if a key is missing, `BACKEND_UNAVAILABLE` for any
   * other failure of a stage
   */
  async encode(text: string, place: Place): Promise<string> {
    const { stored, leave } = await this.encodeInside(text, place);
    return leave ? leave() : stored;
  }

  /**
   * Like `encode`, without what leaves the database. `leave` does that, and resolves to the text to
   * store. It may take long, and without it the text can be stored as well.
   */
  async encodeInside(text: string, place: Place): Promise<{ stored: string; leave?: () => Promise<string> }> {
    try {
      return await this.#encoded(text, place);
    } catch (error) {
      throw outOfReach(error);
    }
  }

  /**
   * The text that was given to `encode`. A text that was stored without a codec is returned as it
   * is, and of one that cannot be read, a text for which `decodeJson` throws.
   * @throws TaskStoreError `BACKEND_UNAVAILABLE` if it could perhaps be read later
   */
  async decode(stored: string, place: Omit<Place, "owner">): Promise<string> {
    try {
      return await this.#decoded(stored, place);
    } catch (error) {
      if (isTaskStoreError(error, "PAYLOAD_UNREADABLE")) return unreadableText(error.message);
      throw outOfReach(error);
    }
  }

  async #encoded(text: string, place: Place): Promise<{ stored: string; leave?: () => Promise<string> }> {
    let bytes: Uint8Array = Buffer.from(text);
    let last: Frame | undefined;
    let kept = bytes;
    for (const stage of this.stages) {
      if (stage === this.#offload) continue;
      const owner = stage.perOwner ? place.owner : undefined;
      const staged = await stage.encode(bytes, { ...place, storeId: this.storeId, owner });
      if (!staged) continue;
      last = { id: stage.id, note: staged.note, owner };
      kept = staged.bytes;
      bytes = frameBytes(last, kept);
    }
    const stored = last ? frameText(last, kept) : text;
    const offload = this.#offload;
    if (!offload || STAY_INSIDE.includes(place.field)) return { stored };
    return { stored, leave: () => this.#left(offload, stored, bytes, last, place) };
  }

  /** What has left says by which key it is encrypted, so that a rotation need not get it. */
  async #left(offload: PayloadStage, stored: string, bytes: Uint8Array, last: Frame | undefined, place: Place) {
    try {
      const owner = offload.perOwner ? place.owner : undefined;
      const staged = await offload.encode(bytes, { ...place, storeId: this.storeId, owner });
      const frame = staged && { id: offload.id, note: staged.note, owner };
      return frame ? frameText(frame, Buffer.from(last ? headOf(last) : "")) : stored;
    } catch (error) {
      throw outOfReach(error);
    }
  }

  async #decoded(stored: string, { taskId, field }: Omit<Place, "owner">): Promise<string> {
    if (!isCoded(stored)) return stored;
    let frame = readFrame(stored);
    if (!frame) throw unreadable("it is damaged");
    for (;;) {
      const { id, note, owner, bytes } = frame;
      const stage = this.#stage(id);
      if (!stage) throw unreadable(`the store's codec has no stage ${JSON.stringify(id)}`);
      const plain: Uint8Array = await stage.decode(
        { bytes: bytes(), note },
        { storeId: this.storeId, taskId, field, owner },
      );
      frame = readInnerFrame(plain);
      if (!frame) return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString();
    }
  }

  /** Whether the payload is encrypted as `encode` would encrypt it now. */
  isCurrent(stored: string): boolean {
    const encrypt = this.#encrypt;
    if (!encrypt) return true;
    let frame = readFrame(stored);
    if (frame && frame.id === this.#offload?.id) frame = readInnerFrame(frame.bytes());
    const note = frame?.id === encrypt.id ? frame.note : undefined;
    return encrypt.isCurrent ? encrypt.isCurrent(note) : note !== undefined;
  }

  #stage(id: string): PayloadStage | undefined {
    return this.stages.find((stage) => stage.id === id);
  }
}

/** A stage failed for a reason of its own, such as a service of keys that does not answer. */
function outOfReach(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  const message = "The task store's codec failed: a key or an object could not be reached";
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { cause: error, write: "not-applied" });
}
