/** Each take of a lease goes to a later block of tokens: see `applyPatch`. */
export const TOKEN_BLOCK = 2 ** 21;

/** No runner had the task before the one with this token. */
export function isFirstTake(token: number): boolean {
  // Backends may count tokens.
  return token === 1 || (token >= TOKEN_BLOCK && token < 2 * TOKEN_BLOCK);
}
