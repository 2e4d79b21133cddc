// Fill in: the image of the database, the port on which it listens, and the form of its address.
const IMAGE = "your-database:1.2.3";
const PORT = 1234;
const urlOf = (host: string, port: number) => `your-database://${host}:${port}`;

let url: Promise<string> | undefined;

/**
 * Address of a database for the tests: `TEST_DATABASE_URL`, a server that runs already, or else a
 * container, which is removed when this process has ended.
 */
export function databaseUrl(): Promise<string> {
  url ??= find();
  return url;
}

async function find(): Promise<string> {
  const given = process.env["TEST_DATABASE_URL"];
  if (given) return given;
  // Loaded only here, because the processes that the suite starts need no container.
  const { GenericContainer } = await import("testcontainers");
  const starting = new GenericContainer(IMAGE).withExposedPorts(PORT).start();
  const container = await starting.catch((cause) => {
    const advice = "start Docker and fill in test/database.ts, or set TEST_DATABASE_URL";
    throw new Error(`No container with a database: ${advice}`, { cause });
  });
  return urlOf(container.getHost(), container.getMappedPort(PORT));
}
