/**
 * The promises of a store; frozen. The conformance suite leaves a case out only if a capability is
 * absent. Some cases check that the store indeed lacks an absent capability.
 */
export interface Capabilities {
  /** Acknowledged writes survive the end of the process, `kill -9` included. */
  readonly durable: boolean;
  /** Several processes may use the same tasks at once. */
  readonly multiProcess: boolean;
}
