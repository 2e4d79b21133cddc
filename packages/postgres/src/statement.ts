import { createHash } from "node:crypto";

/** Statements of one lane may go together: see `Together`. */
export type Lane = "reads" | "payloads" | "writes" | "inserts" | "claims";

/** A statement with its parameters by position and its rows. */
export interface Statement<Parameters extends readonly unknown[], Row> {
  /** Unique for each text, because stores with other schemas may share a connection. */
  readonly name: string;
  readonly text: string;
  readonly writes: boolean;
  /** The lane in which it goes with other calls. Absent: it goes alone. */
  readonly lane?: Lane | undefined;
  /** For types only. */
  readonly shape?: (...parameters: Parameters) => Row;
}

/** A statement that only reads. */
export function read<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
  lane?: Lane,
): Statement<Parameters, Row> {
  return prepared(label, text, false, lane);
}

/** A statement that writes. If its answer is lost, the error's `write` is `unknown`. */
export function write<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
  lane?: Lane,
): Statement<Parameters, Row> {
  return prepared(label, text, true, lane);
}

function prepared<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
  writes: boolean,
  lane: Lane | undefined,
): Statement<Parameters, Row> {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  // PostgreSQL keeps 63 characters of a name.
  return Object.freeze({ name: `mcp_${label.slice(0, 40)}_${hash}`, text, writes, lane });
}
