import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UsageError } from "../exit.ts";
import type { OptionSpecs, Values } from "../options.ts";
import { type Address, parseAddress } from "./address.ts";

/** Read without an option if it is in the working directory. */
export const CONFIG_FILE = "mcp-tasks.json";

/** As a value of --codec: payloads are read and written as they are stored. */
const NO_CODEC = "none";

/** The options of every command that say which store, and what may be done to it. */
export const STORE_OPTIONS = {
  store: {
    type: "string",
    short: "s",
    value: "STORE",
    help: "postgres://…, redis://…, rediss://… or an SQLite file; else MCP_TASK_STORE, else the configuration",
  },
  schema: { type: "string", value: "NAME", help: "PostgreSQL: the schema of the tables (mcp_tasks)" },
  "table-prefix": { type: "string", value: "PREFIX", help: "SQLite: the prefix of the tables (mcp_)" },
  "key-prefix": { type: "string", value: "PREFIX", help: "Redis: the prefix of the keys (mcp)" },
  codec: { type: "string", value: "FILE", help: "the module with the codec of the store's payloads; none = no codec" },
  config: { type: "string", value: "FILE", help: `the configuration (${CONFIG_FILE}, if there is one)` },
  "read-only": { type: "boolean", help: "refuse commands that change tasks" },
} as const satisfies OptionSpecs;

/** Which store, and where in it. */
export interface StoreSettings {
  readonly address: Address;
  readonly schema: string | undefined;
  readonly tablePrefix: string | undefined;
  readonly keyPrefix: string | undefined;
  /** The path of the module that exports the codec. */
  readonly codec: string | undefined;
  readonly readOnly: boolean;
}

interface Config {
  store?: string;
  schema?: string;
  tablePrefix?: string;
  keyPrefix?: string;
  codec?: string;
  readOnly?: boolean;
}

const CONFIG_KEYS: Readonly<Record<keyof Config, "string" | "boolean">> = {
  store: "string",
  schema: "string",
  tablePrefix: "string",
  keyPrefix: "string",
  codec: "string",
  readOnly: "boolean",
};

/** The setting of which kind of store each option is. */
const KIND_OF = { schema: "PostgreSQL", "table-prefix": "SQLite", "key-prefix": "Redis" } as const;

/** @throws UsageError */
export async function storeSettings(
  values: Values<typeof STORE_OPTIONS>,
  env: NodeJS.ProcessEnv,
): Promise<StoreSettings> {
  const config = await readConfig(values.config);
  const text = values.store ?? (env["MCP_TASK_STORE"] || undefined) ?? config.store;
  if (text === undefined)
    throw new UsageError(`which store? Give --store, set MCP_TASK_STORE, or write a "store" into ${CONFIG_FILE}`);
  const address = parseAddress(text);
  for (const [name, kind] of Object.entries(KIND_OF))
    if (values[name as keyof typeof KIND_OF] !== undefined && kind !== address.kind)
      throw new UsageError(`--${name} is for ${kind}, and this store is ${address.kind}`);
  return {
    address,
    schema: values.schema ?? config.schema,
    tablePrefix: values["table-prefix"] ?? config.tablePrefix,
    keyPrefix: values["key-prefix"] ?? config.keyPrefix,
    codec: values.codec === NO_CODEC ? undefined : (values.codec ?? config.codec),
    readOnly: values["read-only"] ?? config.readOnly ?? false,
  };
}

async function readConfig(file: string | undefined): Promise<Config> {
  const path = file ?? CONFIG_FILE;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (file === undefined && code === "ENOENT") return {};
    throw new UsageError(`the configuration file ${path} cannot be read (${code})`);
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    // The parser's message would show a part of the file.
    throw new UsageError(`the configuration file ${path} is not JSON`);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config))
    throw new UsageError(`the configuration file ${path} must hold an object`);
  for (const [key, value] of Object.entries(config)) {
    if (!Object.hasOwn(CONFIG_KEYS, key))
      throw new UsageError(
        `the configuration file ${path} has an unknown ${JSON.stringify(key)}: it takes ${Object.keys(CONFIG_KEYS).join(", ")}`,
      );
    const type = CONFIG_KEYS[key as keyof Config];
    if (typeof value !== type) throw new UsageError(`"${key}" of the configuration file ${path} must be a ${type}`);
  }
  const { codec, ...rest } = config as Config;
  // Beside the file that names it.
  return codec === undefined ? rest : { ...rest, codec: resolve(dirname(path), codec) };
}
