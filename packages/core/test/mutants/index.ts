import { concurrencyMutants } from "./concurrency.ts";
import { eventMutants } from "./events.ts";
import { expiryMutants } from "./expiry.ts";
import { inputMutants } from "./inputs.ts";
import { isolationMutants } from "./isolation.ts";
import { leaseMutants } from "./leases.ts";
import { lifecycleMutants } from "./lifecycle.ts";
import { limitMutants } from "./limits.ts";
import { listMutants } from "./lists.ts";
import { messageMutants } from "./messages.ts";
import type { Mutant } from "./mutant.ts";
import { operatorActMutants } from "./operator-acts.ts";
import { operatorHistoryMutants } from "./operator-histories.ts";
import { operatorListMutants } from "./operator-lists.ts";
import { operatorPauseMutants } from "./operator-pauses.ts";
import { operatorTransferMutants } from "./operator-transfers.ts";
import { payloadMutants } from "./payloads.ts";
import { rotationMutants } from "./rotation.ts";
import { stateMutants } from "./states.ts";
import { stepMutants } from "./steps.ts";
import { taskObjectMutants } from "./task-object.ts";
import { waitingMutants } from "./waiting.ts";

export const mutants: readonly Mutant[] = [
  ...taskObjectMutants,
  ...stateMutants,
  ...stepMutants,
  ...isolationMutants,
  ...expiryMutants,
  ...listMutants,
  ...messageMutants,
  ...waitingMutants,
  ...inputMutants,
  ...leaseMutants,
  ...limitMutants,
  ...concurrencyMutants,
  ...payloadMutants,
  ...lifecycleMutants,
  ...operatorListMutants,
  ...operatorActMutants,
  ...operatorHistoryMutants,
  ...operatorPauseMutants,
  ...operatorTransferMutants,
  ...rotationMutants,
  ...eventMutants,
];
