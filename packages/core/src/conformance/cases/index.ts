import type { ConformanceCase } from "../kit/case.ts";
import { concurrencyCases } from "./concurrency.ts";
import { errorCases } from "./errors.ts";
import { eventCases } from "./events.ts";
import { expiryCases } from "./expiry.ts";
import { failureCases } from "./failure.ts";
import { inputCases } from "./inputs.ts";
import { isolationCases } from "./isolation.ts";
import { leaseCases } from "./leases.ts";
import { lifecycleCases } from "./lifecycle.ts";
import { limitCases } from "./limits.ts";
import { listCases } from "./lists.ts";
import { messageCases } from "./messages.ts";
import { operatorActCases } from "./operator-acts.ts";
import { operatorHistoryCases } from "./operator-histories.ts";
import { operatorListCases } from "./operator-lists.ts";
import { operatorTransferCases } from "./operator-transfer.ts";
import { payloadCases } from "./payloads.ts";
import { processCases } from "./processes.ts";
import { raceCases } from "./races.ts";
import { rotationCases } from "./rotation.ts";
import { runningCases } from "./running.ts";
import { stateCases } from "./states.ts";
import { stepCases } from "./steps.ts";
import { taskObjectCases } from "./task-object.ts";
import { waitingCases } from "./waiting.ts";

/**
 * Every case, by topic. Cases are independent. Each can run alone, in any order, and at the same
 * time as others.
 */
export const conformanceCases: readonly ConformanceCase[] = Object.freeze([
  ...taskObjectCases,
  ...stateCases,
  ...errorCases,
  ...isolationCases,
  ...expiryCases,
  ...listCases,
  ...messageCases,
  ...waitingCases,
  ...inputCases,
  ...leaseCases,
  ...stepCases,
  ...runningCases,
  ...limitCases,
  ...concurrencyCases,
  ...payloadCases,
  ...raceCases,
  ...failureCases,
  ...lifecycleCases,
  ...operatorListCases,
  ...operatorActCases,
  ...operatorTransferCases,
  ...operatorHistoryCases,
  ...rotationCases,
  ...eventCases,
  ...processCases,
]);
