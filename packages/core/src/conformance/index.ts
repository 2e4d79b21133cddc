export type { ConformanceCase, Requirement } from "./case.ts";
export { conformanceCases } from "./cases.ts";
export type { Harness, HarnessCapabilities, Place, RemoteDoor } from "./harness.ts";
export { type CaseReport, type ConformanceReport, defineConformance, runConformance, type TestRunner } from "./run.ts";
