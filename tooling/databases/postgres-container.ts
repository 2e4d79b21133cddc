import { needEngine, needImage, onNetwork, ServerContainer } from "./docker.ts";
import { freePort } from "./ports.ts";
import type { PostgresSetup } from "./postgres-process.ts";
import { type OwnServer, WayUnavailable } from "./server.ts";

const DAY_MS = 86_400_000;
const newest = 18;
const pinned: Readonly<Record<number, string>> = { 15: "postgres:15.18-alpine", 18: "postgres:18.4-alpine" };

/** Postgres as a container. */
export async function startPostgresContainer({ version: wanted, settings, ping }: PostgresSetup): Promise<OwnServer> {
  await needEngine();
  const image = await postgresImage(wanted);
  const { PostgreSqlContainer } = await import("@testcontainers/postgresql");
  const { Wait } = await import("testcontainers");
  const port = await freePort();
  const url = `postgres://test:test@127.0.0.1:${port}/test`;
  const server = await ServerContainer.start(
    onNetwork(new PostgreSqlContainer(image))
      .withExposedPorts({ container: 5432, host: port })
      // The module's own health check starts a process in the container four times a second. (A
      // third of a processor.)
      .withHealthCheck({ test: ["CMD", "true"], interval: DAY_MS })
      .withWaitStrategy(Wait.forListeningPorts())
      .withCommand(["postgres", ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])]),
    () => ping(url),
  );
  return { url, version: await ping(url), way: `testcontainers, ${image}`, control: server, stop: () => server.stop() };
}

/** The image to use. Postgres images name their version in PG_MAJOR. */
async function postgresImage(wanted: number | undefined): Promise<string> {
  const chosen = process.env["TEST_POSTGRES_IMAGE"];
  const image = chosen || (pinned[wanted ?? newest] ?? `postgres:${wanted}-alpine`);
  const major = (await needImage(image)).get("PG_MAJOR");
  if (wanted !== undefined && major !== String(wanted)) {
    throw new WayUnavailable(`TEST_POSTGRES_IMAGE holds version ${major ?? "unknown"}`);
  }
  return image;
}
