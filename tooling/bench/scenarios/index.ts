import type { Scenario } from "../scenario.ts";
import { lifecycle } from "./lifecycle.ts";

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [lifecycle];
