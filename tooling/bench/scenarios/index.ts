import type { Scenario } from "../scenario.ts";
import { bigTable } from "./big-table.ts";
import { blockedResults } from "./blocked-results.ts";
import { claims } from "./claims.ts";
import { clients } from "./clients.ts";
import { crowd } from "./crowd.ts";
import { drivers } from "./drivers.ts";
import { idleWorkers } from "./idle-workers.ts";
import { lifecycle } from "./lifecycle.ts";
import { lists } from "./lists.ts";
import { oldSnapshot } from "./old-snapshot.ts";
import { operators } from "./operators.ts";
import { otherwise } from "./otherwise.ts";
import { processes } from "./processes.ts";
import { serving } from "./serving.ts";
import { size } from "./size.ts";
import { statusReads } from "./status-reads.ts";
import { sweep } from "./sweep.ts";
import { waiters } from "./waiters.ts";
import { wakeUp } from "./wake-up.ts";

/** In the order of their runs. */
export const SCENARIOS: readonly Scenario[] = [
  lifecycle,
  clients,
  drivers,
  processes,
  otherwise,
  claims,
  crowd,
  idleWorkers,
  oldSnapshot,
  statusReads,
  lists,
  bigTable,
  wakeUp,
  waiters,
  blockedResults,
  sweep,
  operators,
  size,
  serving,
];
