import { Agent, request as httpRequest } from "node:http";
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from "@modelcontextprotocol/server";

const VERSION = "2026-07-28";
const META = {
  [PROTOCOL_VERSION_META_KEY]: VERSION,
  [CLIENT_INFO_META_KEY]: { name: "bench", version: "1.0.0" },
  [CLIENT_CAPABILITIES_META_KEY]: { extensions: { "io.modelcontextprotocol/tasks": {} } },
};

type Json = Record<string, unknown>;

/** A client of 2026-07-28 that sends only the necessary, over open connections. */
export class BareClient {
  requests = 0;
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, connections: number) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  async ask(method: string, params: Json): Promise<Json> {
    this.requests += 1;
    const name = String(params["taskId"] ?? params["name"]);
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.requests, method, params: { _meta: META, ...params } });
    const text = await this.#post(body, { "mcp-method": method, "mcp-name": name });
    const { result, error } = JSON.parse(text) as { result?: Json; error?: unknown };
    if (!result) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(body: string, more: Record<string, string>): Promise<string> {
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "content-length": Buffer.byteLength(body),
      "mcp-protocol-version": VERSION,
      ...more,
    };
    return new Promise((resolve, reject) => {
      const sent = httpRequest(this.#url, { method: "POST", agent: this.#agent, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const stream = response.headers["content-type"]?.startsWith("text/event-stream") ?? false;
          resolve(stream ? (text.match(/^data: (\{.*)$/m)?.[1] ?? "") : text);
        });
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}
