import type { Scenario } from "../scenario.ts";
import { blockedResults } from "./blocked-results.ts";
import { claims } from "./claims.ts";
import { lifecycle } from "./lifecycle.ts";
import { lists } from "./lists.ts";
import { otherwise } from "./otherwise.ts";
import { serving } from "./serving.ts";
import { statusReads } from "./status-reads.ts";
import { sweep } from "./sweep.ts";
import { waiters } from "./waiters.ts";
import { wakeUp } from "./wake-up.ts";

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [
  lifecycle,
  otherwise,
  claims,
  statusReads,
  lists,
  wakeUp,
  waiters,
  blockedResults,
  sweep,
  serving,
];
