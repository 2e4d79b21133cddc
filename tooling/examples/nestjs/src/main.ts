import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { McpStrategy, StreamableHttpTransport } from "@rekog/mcp-nest";
import { RenderController } from "./render.controller";
import { Renderer } from "./renderer";
import { Tasks } from "./tasks.service";

@Module({ controllers: [RenderController], providers: [Renderer, Tasks] })
class AppModule {}

async function main() {
  const app = await NestFactory.create(AppModule);
  const tasks = app.get(Tasks);
  const mcp = new McpStrategy({
    name: "studio",
    version: "1.0.0",
    transports: [new StreamableHttpTransport()],
    httpAdapter: app.getHttpAdapter(),
    serverMutator(server) {
      tasks.extension.attach(server);
      return server;
    },
  });
  app.connectMicroservice({ strategy: mcp });
  await app.startAllMicroservices();
  app.enableShutdownHooks();
  await app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1");
  console.log(`Serving ${await app.getUrl()}/mcp`);
}
void main();
