import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerRuntimeClient, GenericContainer, StartedTestContainer } from "testcontainers";
import { containerLabel } from "./belongings.ts";
import { discard, keep } from "./keeper.ts";
import { type ServerControl, WayUnavailable } from "./server.ts";

/** Makes sure that an image is present, and returns its environment variables. */
export async function needImage(name: string): Promise<Map<string, string>> {
  const client = await needEngine();
  const { ImageName } = await import("testcontainers");
  const image = ImageName.fromString(name);
  if (!(await client.image.exists(image))) {
    try {
      await client.image.pull(image);
    } catch (error) {
      throw noWay(`a Docker engine answers, but cannot pull ${name}: ${(error as Error).message}`);
    }
  }
  const { Config } = await client.image.inspect(image);
  return new Map(Config.Env?.map((variable) => variable.split(/=(.*)/s, 2) as [string, string]));
}

export async function needEngine(): Promise<ContainerRuntimeClient> {
  if (process.env["TEST_DATABASES_DOCKER"] === "off") throw noWay("TEST_DATABASES_DOCKER is off");
  const { getContainerRuntimeClient } = await import("testcontainers");
  try {
    return await getContainerRuntimeClient();
  } catch {
    throw noWay("no Docker engine answers");
  }
}

/** A run that requires Docker, such as CI, must not get another kind of server. */
function noWay(reason: string): Error {
  return process.env["TEST_DATABASES_DOCKER"] === "required" ? new Error(reason) : new WayUnavailable(reason);
}

/** A container on the network of the tests, if they have one. */
export function onNetwork<Definition extends GenericContainer>(definition: Definition): Definition {
  const network = process.env["TEST_DATABASES_NETWORK"];
  return network ? definition.withNetworkMode(network) : definition;
}

/** A server in a container. It needs fixed ports, because Docker chooses others at each start. */
export class ServerContainer implements ServerControl {
  readonly #ping: () => Promise<unknown>;
  readonly #label: string;
  readonly #container: StartedTestContainer;

  private constructor(container: StartedTestContainer, label: string, ping: () => Promise<unknown>) {
    this.#container = container;
    this.#label = label;
    this.#ping = ping;
  }

  static async start(definition: GenericContainer, ping: () => Promise<unknown>): Promise<ServerContainer> {
    const label = randomUUID();
    keep({ kind: "containers", label });
    try {
      const container = await definition.withLabels({ [containerLabel]: label }).start();
      const server = new ServerContainer(container, label, ping);
      await server.#untilItAnswers();
      return server;
    } catch (error) {
      await discard({ kind: "containers", label });
      throw error;
    }
  }

  get id(): string {
    return this.#container.getId();
  }

  async run(command: string[]): Promise<string> {
    const { exitCode, output } = await this.#container.exec(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} failed:\n${output}`);
    return output;
  }

  async pause(): Promise<void> {
    await (await this.#handle()).pause();
  }

  async resume(): Promise<void> {
    await (await this.#handle()).unpause();
  }

  async halt(how: "orderly" | "killed"): Promise<void> {
    const container = await this.#handle();
    if (how === "killed") await container.kill();
    else await container.stop({ t: 10 });
  }

  async start(): Promise<void> {
    await (await this.#handle()).start();
    await this.#untilItAnswers();
  }

  stop(): Promise<void> {
    return discard({ kind: "containers", label: this.#label });
  }

  async #handle() {
    return (await needEngine()).container.getById(this.id);
  }

  async #untilItAnswers(): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await this.#ping();
        return;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(await this.#silence(), { cause: error });
        await sleep(20);
      }
    }
  }

  /** The state of the container that does not answer, and what its server wrote last. */
  async #silence(): Promise<string> {
    try {
      const container = await this.#handle();
      const { State, NetworkSettings } = await container.inspect();
      const { Status, ExitCode, OOMKilled } = State;
      const { Networks, Ports } = NetworkSettings;
      const addresses = Object.values(Networks).map(({ IPAddress }) => IPAddress);
      const facts = JSON.stringify({ Status, ExitCode, OOMKilled, addresses, Ports });
      const log = await container.logs({ stdout: true, stderr: true, tail: 20 });
      return `the container does not answer: ${facts}\n${log}`;
    } catch (error) {
      return `the container does not answer, and cannot be inspected: ${error}`;
    }
  }
}
