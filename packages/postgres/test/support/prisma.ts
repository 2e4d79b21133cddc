import { PrismaPg } from "@prisma/adapter-pg";
import * as runtime from "@prisma/client/runtime/client";
import { onTestFinished } from "vitest";

const { Module } = (globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } })
  .WebAssembly;

/** The part of a transaction of Prisma that runs SQL. */
interface Prisma {
  $queryRawUnsafe<T>(text: string, ...values: unknown[]): Promise<T>;
}

/**
 * Prisma's client over pg, for a schema without models. `prisma generate` would write this
 * configuration, but it downloads a program to do so.
 */
export function prismaOf(connectionString: string) {
  const config: runtime.GetPrismaClientConfig = {
    previewFeatures: [],
    clientVersion: "7.0.0",
    engineVersion: "",
    activeProvider: "postgresql",
    inlineSchema: 'datasource db {\n  provider = "postgresql"\n}\n',
    runtimeDataModel: { models: {}, enums: {}, types: {} },
    parameterizationSchema: { strings: [], graph: "AAAA" },
    compilerWasm: {
      getRuntime: () => import("@prisma/client/runtime/query_compiler_fast_bg.postgresql.mjs" as string),
      async getQueryCompilerWasmModule() {
        const { wasm } = await import(
          "@prisma/client/runtime/query_compiler_fast_bg.postgresql.wasm-base64.mjs" as string
        );
        return new Module(Buffer.from(wasm, "base64"));
      },
      importName: "./query_compiler_fast_bg.js",
    },
  };
  const Client = runtime.getPrismaClient(config) as unknown as new (
    options: object,
  ) => Prisma & {
    $transaction<T>(body: (tx: Prisma) => Promise<T>): Promise<T>;
    $disconnect(): Promise<void>;
  };
  const prisma = new Client({ adapter: new PrismaPg({ connectionString }) });
  onTestFinished(() => prisma.$disconnect());
  return prisma;
}
