import "../runtime.ts";

export { conformanceCases } from "./cases/index.ts";
export type { Harness, HarnessCapabilities, Place, RemoteDoor } from "./harness.ts";
export type { ConformanceCase, Requirement } from "./kit/case.ts";
export { type CaseReport, type ConformanceReport, formatReport } from "./report.ts";
export {
  type DefineConformanceOptions,
  defineConformance,
  type RunConformanceOptions,
  runConformance,
  type TestRunner,
} from "./run.ts";
