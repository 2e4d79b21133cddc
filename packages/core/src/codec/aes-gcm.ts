import type { webcrypto } from "node:crypto";
import type { PayloadPlace, PayloadStage } from "../contract/codec.ts";
import { invalid, unreadable } from "../contract/errors.ts";
import { checkOptions, type OptionCheck, type OptionTable } from "../contract/option-checks.ts";

/** 16, 24 or 32 random bytes, or a key of WebCrypto for AES-GCM that encrypts and decrypts. */
export type PayloadKey = Uint8Array | webcrypto.CryptoKey;

export interface AesGcmOptions {
  /**
   * The keys by their ids, or a function that finds one. The function gets the place of the payload
   * with the task's owner, so that each owner can have keys of their own. It returns `undefined`
   * for a key that does not exist any more: such payloads are `PAYLOAD_UNREADABLE`. It throws for a
   * key that it cannot get now: such calls reject with `BACKEND_UNAVAILABLE`, and may be repeated.
   * It is called for each payload, so it should remember keys.
   */
  keys:
    | Readonly<Record<string, PayloadKey>>
    | ((keyId: string, place: PayloadPlace) => PayloadKey | undefined | Promise<PayloadKey | undefined>);
  /**
   * The id of the key that encrypts. 1 to 64 letters, digits, and characters of `._-`. The id is
   * stored in the clear with each payload. `null` = nothing is encrypted, and what was encrypted
   * before is read: for the time in which processes begin to encrypt, or end it.
   */
  current: string | null;
}

const KEY_ID = /^[a-zA-Z0-9._-]{1,64}$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const isBytes = (key: unknown): key is Uint8Array =>
  key instanceof Uint8Array && (key.length === 16 || key.length === 24 || key.length === 32);

function isKey(key: unknown): key is PayloadKey {
  if (isBytes(key)) return true;
  const { algorithm, usages } = (key ?? {}) as Partial<webcrypto.CryptoKey>;
  return (
    algorithm?.name === "AES-GCM" &&
    Array.isArray(usages) &&
    (["encrypt", "decrypt"] as const).every((usage) => usages.includes(usage))
  );
}

const keysCheck: OptionCheck = (keys) => {
  if (typeof keys === "function") return undefined;
  const given = typeof keys === "object" && keys !== null ? Object.entries(keys) : [];
  const right = given.length > 0 && given.every(([id, key]) => KEY_ID.test(id) && isKey(key));
  return right
    ? undefined
    : "a function, or an object of keys by id: each has 16, 24 or 32 bytes or is a CryptoKey for AES-GCM";
};

const OPTIONS: OptionTable<AesGcmOptions> = {
  keys: keysCheck,
  current: (value) =>
    value === null || (typeof value === "string" && KEY_ID.test(value))
      ? undefined
      : "null, or 1 to 64 letters, digits and characters of ._-",
};

/**
 * Encrypts payloads with AES-GCM. Each is bound to its store, task and field: moved to another
 * place, it cannot be read.
 *
 * Each payload gets a random nonce of 96 bits, so one key may encrypt 2^32 payloads at most. Use
 * another key before.
 * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value
 * @see NIST SP 800-38D, section 8.3
 * @example
 * const encrypt = aesGcm({ keys: { "2026-11": key, "2025-11": oldKey }, current: "2026-11" });
 * const store = new SqliteTaskStore({ path: "tasks.db", codec: { encrypt } });
 */
export function aesGcm(options: AesGcmOptions): PayloadStage {
  checkOptions("aesGcm", options, OPTIONS);
  const { keys, current } = options;
  if (keys === undefined || current === undefined) throw invalid("aesGcm needs keys and current");
  if (typeof keys !== "function" && current !== null && !Object.hasOwn(keys, current))
    throw invalid("keys has no key of the id current");
  const find =
    typeof keys === "function"
      ? keys
      : (keyId: string): PayloadKey | undefined => (Object.hasOwn(keys, keyId) ? keys[keyId] : undefined);
  return {
    id: "aes-gcm",
    perOwner: typeof keys === "function" && current !== null,
    async encode(bytes, place) {
      if (current === null) return undefined;
      const key = await keyOf(find, current, place);
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const sealed = await crypto.subtle.encrypt(parameters(nonce, current, place), key, bytes as Input);
      return { bytes: Buffer.concat([nonce, new Uint8Array(sealed)]), note: current };
    },
    async decode({ bytes, note: keyId }, place) {
      const key = await keyOf(find, keyId, place);
      if (bytes.length < NONCE_BYTES + TAG_BYTES) throw unreadable("it is damaged", place.taskId);
      try {
        const settings = parameters(bytes.subarray(0, NONCE_BYTES), keyId, place);
        return new Uint8Array(await crypto.subtle.decrypt(settings, key, bytes.subarray(NONCE_BYTES) as Input));
      } catch (error) {
        const why = `it was changed, moved from another place, or encrypted with another key ${JSON.stringify(keyId)}`;
        throw unreadable(why, place.taskId, error);
      }
    },
    isCurrent: (keyId) => (keyId ?? null) === current,
  };
}

/** WebCrypto refuses shared memory, and so do its types. */
type Input = Uint8Array<ArrayBuffer>;

function parameters(nonce: Uint8Array, keyId: string, { storeId, taskId, field, owner }: PayloadPlace) {
  // JSON joins them so that no two places have the same text.
  const additionalData = Buffer.from(JSON.stringify([keyId, storeId, taskId, field, owner ?? null]));
  return { name: "AES-GCM", iv: nonce as Input, additionalData };
}

/** Imported keys, each as long as the application keeps its bytes. */
const imported = new WeakMap<Uint8Array, Promise<webcrypto.CryptoKey>>();

async function keyOf(
  find: Extract<AesGcmOptions["keys"], (...given: never[]) => unknown>,
  keyId: string,
  place: PayloadPlace,
): Promise<webcrypto.CryptoKey> {
  const shown = KEY_ID.test(keyId) ? JSON.stringify(keyId) : "of this id";
  const key = await find(keyId, place);
  if (key === undefined) throw unreadable(`there is no key ${shown}`, place.taskId);
  if (!isKey(key)) throw invalid(`keys returned no key for ${shown}: it must have 16, 24 or 32 bytes`, place.taskId);
  if (!(key instanceof Uint8Array)) return key;
  const known =
    imported.get(key) ?? crypto.subtle.importKey("raw", key as Input, "AES-GCM", false, ["encrypt", "decrypt"]);
  imported.set(key, known);
  return known;
}
