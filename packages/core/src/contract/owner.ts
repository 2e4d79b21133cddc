/**
 * As an `owner`: the call may see everyone's tasks. For trusted code of the server itself: runners,
 * operators.
 */
export const ANY_OWNER: unique symbol = Symbol.for("mcp-task-store.any-owner");

/**
 * Whose tasks a call may see: one owner's, everyone's (`ANY_OWNER`), or those that a call without
 * owner may see.
 */
export type Owner = string | typeof ANY_OWNER;

/**
 * The caller of one of the SDK's six methods: a session id, which the store's `owner` maps to the
 * owner; or `{ owner }`, which says the owner itself.
 */
export type Caller = string | OwnerOptions;

export interface OwnerOptions {
  /**
   * The owner of the call.
   * @default a call without owner (see the store's `isolation`)
   */
  owner?: Owner | undefined;
}
