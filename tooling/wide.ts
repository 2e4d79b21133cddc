/**
 * Variants of a store, such as another driver, run this part of the suite. It has the topics in
 * which drivers differ. With `TEST_WIDE=1` they run all of it.
 */
export const variantCases =
  process.env["TEST_WIDE"] === "1"
    ? undefined
    : ["task-object", "states", "payloads", "messages", "inputs", "leases", "steps", "lists", "failure", "waiting"];

/** The same for stores of which another variant runs `variantCases` already. */
export const fewCases = process.env["TEST_WIDE"] === "1" ? undefined : ["payloads", "messages"];
