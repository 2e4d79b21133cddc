import { createMcpHandler } from "mcp-handler";
import { after } from "next/server";
import { drain, register } from "../../../tasks";

export const maxDuration = 60;

const handler = createMcpHandler(register, { serverInfo: { name: "studio", version: "1.0.0" } });

export async function POST(request: Request): Promise<Response> {
  // Once the answer is out. The polls of a client do that too, so a task that was given back goes
  // on with the next one.
  after(drain);
  return handler(request);
}

export { handler as DELETE, handler as GET };
