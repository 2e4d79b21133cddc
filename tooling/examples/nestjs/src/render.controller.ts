import type { ServerContext } from "@modelcontextprotocol/server";
import { Ctx, Payload } from "@nestjs/microservices";
import { McpContext, McpController, Tool } from "@rekog/mcp-nest";
import { z } from "zod";
import type { Order } from "./renderer";
import { Tasks } from "./tasks.service";

@McpController()
export class RenderController {
  constructor(private readonly tasks: Tasks) {}

  @Tool({
    name: "render",
    description: "Renders frames",
    parameters: z.object({ frames: z.number().int().positive() }),
  })
  render(@Payload() { frames }: Order, @Ctx() ctx: McpContext) {
    // The last argument is the SDK's own context of the call.
    const sdk: ServerContext = ctx.getArgByIndex(4);
    return this.tasks.extension.create(sdk, { context: { frames }, ttl: 3_600_000 });
  }

  @Tool({ name: "ping", description: "Answers at once" })
  ping() {
    return { content: [{ type: "text", text: "pong" }] };
  }
}
