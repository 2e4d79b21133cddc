import { BlockList, isIP } from "node:net";

/**
 * Networks that are not the public internet, and tunnels that may lead into them.
 * @see IANA, IPv4 and IPv6 Special-Purpose Address Registries
 */
const PRIVATE: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  // Shared by the customers of a provider.
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Link-local, with the metadata of most clouds.
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  // Multicast and reserved.
  ["224.0.0.0", 3],
  // Azure's metadata has a public address.
  ["168.63.129.16", 32],
  // Everything but global unicast.
  ["::", 3],
  ["4000::", 2],
  ["8000::", 1],
  // Protocols, Teredo and documentation; addresses of IPv4 inside IPv6.
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const blocked = new BlockList();
for (const [network, prefix] of PRIVATE) blocked.addSubnet(network, prefix, network.includes(":") ? "ipv6" : "ipv4");

/** Whether the address is not on the public internet. What is no address counts as private. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  return family === 0 || blocked.check(address, family === 6 ? "ipv6" : "ipv4");
}
