import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { PayloadStage } from "../contract/codec.ts";
import { unreadable } from "../contract/errors.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";

export interface CompressOptions {
  /**
   * Payloads up to this many bytes stay as they are.
   * @default 1_024
   */
  aboveBytes?: number | undefined;
}

const OPTIONS: OptionTable<CompressOptions> = { aboveBytes: checks.whole(0) };

/** Up to this size, the work takes less time than handing it to another thread. */
const AT_ONCE = 32_768;

/** Node has no longer text, so what would become larger was never a payload. */
const MOST_BYTES = 2 ** 29;

const deflate = promisify(zlib.deflateRaw);
const inflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);

/**
 * Compresses payloads with DEFLATE. A payload that would not become smaller stays as it is.
 * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value
 * @see RFC 1951
 * @example
 * const store = new SqliteTaskStore({ path: "tasks.db", codec: { compress: compress() } });
 */
export function compress(options: CompressOptions = {}): PayloadStage {
  checkOptions("compress", options, OPTIONS);
  const { aboveBytes = 1024 } = options;
  return {
    id: "deflate",
    async encode(bytes) {
      if (bytes.length <= aboveBytes) return undefined;
      const small = bytes.length <= AT_ONCE ? zlib.deflateRawSync(bytes) : await deflate(bytes);
      return small.length < bytes.length ? { bytes: small, note: "" } : undefined;
    },
    async decode({ bytes }) {
      try {
        const most = { maxOutputLength: MOST_BYTES };
        return bytes.length <= AT_ONCE / 4 ? zlib.inflateRawSync(bytes, most) : await inflate(bytes, most);
      } catch (error) {
        throw unreadable("it is damaged", undefined, error);
      }
    },
  };
}
