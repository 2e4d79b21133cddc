/** Whether tests run that take minutes more. */
export const isWide = process.env["TEST_WIDE"] === "1";

/**
 * Variants of a store, such as another driver, run this part of the suite. It has the topics in
 * which drivers differ. With `TEST_WIDE=1` they run all of it.
 */
export const variantCases = isWide
  ? undefined
  : ["states", "payloads", "messages", "inputs", "leases", "lists", "failure"];

/** The same for stores of which another variant runs `variantCases` already. */
export const fewCases = isWide ? undefined : ["payloads", "messages"];
