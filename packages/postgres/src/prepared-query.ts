import type { PgClient, PgQuery } from "./driver.ts";

/** The part of a pg connection that a custom query needs: messages of PostgreSQL's protocol. */
interface Connection {
  /** Missing on connections that cannot hold messages back, and send each alone. */
  readonly stream: { cork?(): void; uncork?(): void };
  /** The texts of statements parsed on this connection, by name. pg maintains it. */
  readonly parsedStatements: Readonly<Record<string, string>>;
  parse(statement: { name: string; text: string }): void;
  bind(portal: { statement: string; values: unknown[]; valueMapper(value: unknown): string | null }): void;
  describe(what: { type: "P" }): void;
  execute(): void;
  sync(): void;
}

/** A statement with its parameters. */
export interface Prepared {
  /** Empty: the server does not keep the statement. */
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/** The result that pg gives to callbacks. Tracing libraries read it. */
export interface PreparedResult {
  command: string | null;
  rowCount: number | null;
  readonly rows: unknown[];
  fields: readonly Field[];
}

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
}

interface Columns {
  readonly fields: readonly Field[];
  readonly parsers: readonly ((value: string) => unknown)[];
}

/** The columns of this connection's prepared statements, by name. */
const columnsOf = new WeakMap<Connection, Map<string, Columns>>();

const MESSAGES = ["parse", "bind", "describe", "execute", "sync"] as const;
const NO_COLUMNS: Columns = { fields: [], parsers: [] };

/** The client is pg's JavaScript client or similar, and accepts custom queries. */
export function takesPrepared(client: PgClient): boolean {
  const { connection, pipeline } = client as { connection?: Partial<Connection>; pipeline?: unknown };
  return (
    typeof connection?.parsedStatements === "object" &&
    typeof connection.stream === "object" &&
    !pipeline &&
    MESSAGES.every((message) => typeof connection[message] === "function")
  );
}

/**
 * Statements sent together, usually named ones, as a custom query of pg (like pg-cursor's). They
 * end with one Sync, so PostgreSQL runs them in one transaction: if one fails, none has run.
 *
 * pg's own query copies its options, makes a result, and asks for the columns each time. (Five lone
 * calls: 530 µs of this process and 600 µs of the server, with pg's own query 590 and 630.)
 */
export class PreparedQuery implements PgQuery {
  /** Of the statements that have run. */
  readonly results: PreparedResult[] = [];
  /** Tracing libraries wrap it. */
  callback: (error: unknown, result?: PreparedResult) => void;
  /** Called after each statement but the last. */
  onProgress: (() => void) | undefined;
  readonly #statements: readonly Prepared[];
  readonly #types: NonNullable<PgQuery["types"]>;
  #connection: Connection | undefined;
  /** The index of the statement that the server is answering. */
  #index = 0;
  #columns: Columns = NO_COLUMNS;
  #result: PreparedResult;

  constructor(
    statements: readonly Prepared[],
    types: NonNullable<PgQuery["types"]>,
    callback: (error: unknown, result?: PreparedResult) => void,
  ) {
    this.#statements = statements;
    this.#types = types;
    this.callback = callback;
    this.#result = emptyResult();
  }

  /** The number of statements that have run. After an error, the index of the failed one. */
  get done(): number {
    return this.#index;
  }

  // pg records name and text as parsed on the server's ParseComplete.
  get name(): string {
    return this.#current.name;
  }

  get text(): string {
    return this.#current.text;
  }

  get values(): unknown[] {
    return this.#current.values;
  }

  get #current(): Prepared {
    return this.#statements[Math.min(this.#index, this.#statements.length - 1)] as Prepared;
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    const parsed = new Set<string>();
    this.#connection = connection;
    stream.cork?.();
    try {
      for (const { name, text, values } of this.#statements) {
        const isParsed = name !== "" && connection.parsedStatements[name] !== undefined;
        if (!isParsed && !parsed.has(name)) connection.parse({ name, text });
        if (name !== "") parsed.add(name);
        connection.bind({ statement: name, values, valueMapper: asText });
        if (!isParsed || !columnsOf.get(connection)?.has(name)) connection.describe({ type: "P" });
        connection.execute();
      }
      connection.sync();
    } finally {
      stream.uncork?.();
    }
    this.#begin();
  }

  handleRowDescription({ fields }: { fields: readonly Field[] }): void {
    const parsers = fields.map(({ dataTypeID }) => this.#types.getTypeParser(dataTypeID));
    this.#setColumns({ fields, parsers });
    if (this.name === "") return;
    const connection = this.#connection as Connection;
    const known = columnsOf.get(connection);
    if (known) known.set(this.name, this.#columns);
    else columnsOf.set(connection, new Map([[this.name, this.#columns]]));
  }

  handleDataRow({ fields: values }: { fields: readonly (string | null)[] }): void {
    const { fields, parsers } = this.#columns;
    const row: Record<string, unknown> = {};
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] as string | null;
      row[(fields[index] as Field).name] =
        value === null ? null : (parsers[index] as (value: string) => unknown)(value);
    }
    this.#result.rows.push(row);
  }

  /** A command tag such as `INSERT 0 1` or `SELECT 1`. */
  handleCommandComplete({ text }: { text: string }): void {
    const words = text.split(" ");
    this.#result.command = words[0] as string;
    this.#result.rowCount = words.length > 1 ? Number(words.at(-1)) : null;
    this.results.push(this.#result);
    this.#index += 1;
    if (this.#index < this.#statements.length) {
      this.#result = emptyResult();
      this.#begin();
      this.onProgress?.();
    }
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#result);
  }

  handleError(error: unknown): void {
    this.callback(error);
  }

  /** Sets the columns of the statement being answered, unless the answer describes them. */
  #begin(): void {
    this.#setColumns(columnsOf.get(this.#connection as Connection)?.get(this.name) ?? NO_COLUMNS);
  }

  #setColumns(columns: Columns): void {
    this.#columns = columns;
    this.#result.fields = columns.fields;
  }
}

function emptyResult(): PreparedResult {
  return { command: null, rowCount: null, rows: [], fields: [] };
}

/** Parameters in pg's text format: here texts, numbers, booleans and arrays of texts. */
function asText(value: unknown): string | null {
  if (typeof value === "string" || value === null) return value;
  if (!Array.isArray(value)) return String(value);
  return `{${value.map((each: string) => `"${each.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
