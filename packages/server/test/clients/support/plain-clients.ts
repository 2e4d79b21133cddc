import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioMCPTransport } from "@ai-sdk/mcp/mcp-stdio";
import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { MCPServerStdio, MCPServerStreamableHttp } from "@openai/agents-core";

/** A program's server: its address, or the file that is the process. */
export type Where = { url: string } | { file: string };

/** A client of another library, as a model's host uses it. */
export interface PlainClient extends AsyncDisposable {
  tools(): Promise<string[]>;
  /** What the model reads of the answer. Rejects where the library throws. */
  call(name: string, args: Record<string, unknown>): Promise<string>;
}

export const CLIENTS: readonly { name: string; connect: (where: Where) => Promise<PlainClient> }[] = [
  { name: "@ai-sdk/mcp", connect: aiSdk },
  { name: "@langchain/mcp-adapters", connect: langchain },
  { name: "@openai/agents-core", connect: openai },
  { name: "@modelcontextprotocol/sdk", connect: sdk },
];

async function aiSdk(where: Where): Promise<PlainClient> {
  const transport =
    "url" in where
      ? ({ type: "http", url: where.url } as const)
      : new StdioMCPTransport({ command: process.execPath, args: [where.file] });
  const client = await createMCPClient({ transport });
  const tools = await client.tools();
  return {
    tools: async () => Object.keys(tools),
    async call(name, args) {
      const tool = tools[name];
      if (!tool) throw new Error(`There is no tool ${name}`);
      return textOf(await tool.execute(args, { toolCallId: "1", messages: [], context: {} }));
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function langchain(where: Where): Promise<PlainClient> {
  const studio =
    "url" in where
      ? ({ transport: "http", url: where.url } as const)
      : { transport: "stdio" as const, command: process.execPath, args: [where.file] };
  const client = new MultiServerMCPClient({ mcpServers: { studio } });
  const tools = await client.getTools();
  return {
    tools: async () => tools.map(({ name }) => name),
    async call(name, args) {
      const tool = tools.find((each) => each.name === name);
      if (!tool) throw new Error(`There is no tool ${name}`);
      const said = (await tool.invoke(args)) as string | { text: string };
      return typeof said === "string" ? said : said.text;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function openai(where: Where): Promise<PlainClient> {
  const client =
    "url" in where
      ? new MCPServerStreamableHttp({ url: where.url, name: "studio" })
      : new MCPServerStdio({
          command: process.execPath,
          args: [where.file],
          name: "studio",
          clientSessionTimeoutSeconds: 60,
        });
  await client.connect();
  return {
    tools: async () => (await client.listTools()).map(({ name }) => name),
    call: async (name, args) => textOf(await client.callToolResult(name, args)),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** The client of SDK 1.x, on which mcp-use and many others are built. */
async function sdk(where: Where): Promise<PlainClient> {
  const client = new Client({ name: "plain-client", version: "1.0.0" });
  const transport =
    "url" in where
      ? new StreamableHTTPClientTransport(new URL(where.url))
      : new StdioClientTransport({ command: process.execPath, args: [where.file] });
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(transport as Transport);
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args) => textOf(await client.callTool({ name, arguments: args })),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function textOf(result: unknown): string {
  const { content, isError } = result as { content?: { text: string }[]; isError?: boolean };
  const said = content?.map(({ text }) => text).join("\n") ?? JSON.stringify(result);
  if (isError) throw new Error(said);
  return said;
}
