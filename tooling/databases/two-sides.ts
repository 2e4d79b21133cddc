import { randomBytes } from "node:crypto";
import { run } from "../packages.ts";
import { discard, keep } from "./keeper.ts";

/** One side of the network, for the servers on it. */
export interface Side {
  readonly address: string;
  /** The network namespace that the servers run in. */
  readonly namespace: string;
}

/**
 * A network of two sides in namespaces of Linux. Parted, no packet passes between the sides, and
 * nothing tells so, while this process reaches both.
 */
export class TwoSides {
  readonly sides: readonly [Side, Side];
  readonly #name: string;

  private constructor(name: string, sides: readonly [Side, Side]) {
    this.#name = name;
    this.sides = sides;
  }

  /** `undefined` where this process may not make namespaces. */
  static async make(): Promise<TwoSides | undefined> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
    const [a = 0, b = 0, ...rest] = randomBytes(5);
    const name = `mcp${Buffer.from(rest).toString("hex")}`;
    // Of the addresses for tests of networks: 198.18.0.0/15.
    const subnet = `198.${18 + (a % 2)}.${b}`;
    const sides = [2, 3].map((host) => ({ address: `${subnet}.${host}`, namespace: `${name}-${host}` }));
    const network = new TwoSides(name, sides as [Side, Side]);
    keep({ kind: "network", name });
    try {
      // The bridge has a namespace of its own, since a firewall of this machine may filter bridges.
      await ip("netns", "add", name);
      await inside(name, "link add bridge type bridge", "link set bridge up");
      await ip("link", "add", name, "type", "veth", "peer", "name", "here", "netns", name);
      await ip("address", "add", `${subnet}.1/24`, "dev", name);
      await ip("link", "set", name, "up");
      await inside(name, "link set here master bridge up");
      for (const { address, namespace } of sides) {
        await ip("netns", "add", namespace);
        await inside(name, `link add ${namespace} type veth peer name eth0 netns ${namespace}`);
        await inside(name, `link set ${namespace} master bridge up`);
        await inside(namespace, `address add ${address}/24 dev eth0`, "link set eth0 up", "link set lo up");
      }
      return network;
    } catch {
      await network.remove();
      return undefined;
    }
  }

  part(): Promise<void> {
    return this.#isolate("on");
  }

  join(): Promise<void> {
    return this.#isolate("off");
  }

  remove(): Promise<void> {
    return discard({ kind: "network", name: this.#name });
  }

  /** Isolated ports of a bridge reach the bridge, and not each other. */
  async #isolate(how: "on" | "off"): Promise<void> {
    for (const { namespace } of this.sides)
      await inside(this.#name, `link set dev ${namespace} type bridge_slave isolated ${how}`);
  }
}

/** Runs commands of `ip` in a namespace. */
async function inside(namespace: string, ...commands: string[]): Promise<void> {
  for (const command of commands) await ip("-n", namespace, ...command.split(" "));
}

function ip(...args: string[]): Promise<string> {
  return run("ip", args, { cwd: "/" });
}
