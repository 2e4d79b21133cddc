import type { Step } from "../backend/task-backend.ts";
import { OWNER_OPTIONS } from "../contract/call-options.ts";
import { isStorableKey } from "../contract/checks.ts";
import { invalid, notFound, notSupported } from "../contract/errors.ts";
import { decodePayload, type Encode } from "../contract/json.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type { OwnerOptions } from "../contract/owner.ts";
import type { KeptStep, TaskSteps } from "../contract/record.ts";
import type { BackendGateway } from "./backend-gateway.ts";

/** The step without a name counts the failed attempts. */
const FAILURES = "";

/** @throws `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE` */
export function stepOf({ name, result }: KeptStep, encode: Encode): Step {
  if (typeof name !== "string" || name === "" || !isStorableKey(name))
    throw invalid("The name of a step must be a well-formed string of 1 to 512 characters");
  return { name, body: encode(result === undefined ? {} : { result }, "step's result") };
}

export function failuresStep(failures: number, encode: Encode): Step {
  return { name: FAILURES, body: encode({ failures }, "failures") };
}

/** @throws `TASK_NOT_FOUND`, `NOT_SUPPORTED` */
export async function readSteps(gateway: BackendGateway, taskId: string, options: OwnerOptions): Promise<TaskSteps> {
  checkOptions("readSteps", options, OWNER_OPTIONS);
  const scope = gateway.scope(options.owner);
  const checkIsThere = async () => {
    if (!(await gateway.read(taskId, scope))) throw notFound(taskId);
  };
  await checkIsThere();
  const kept = await gateway.call((backend) => {
    if (!backend.stepsOf) throw notSupported("keep steps", "stepsOf");
    return backend.stepsOf([taskId]);
  });
  // Steps end with their task, which may have gone since the check.
  if (kept.length === 0) await checkIsThere();
  const results = new Map<string, unknown>();
  let failures = 0;
  for (const { name, body } of kept) {
    const content = decodePayload<{ result?: unknown; failures?: number }>(body);
    if (name === FAILURES) failures = content.failures ?? 0;
    else results.set(name, content.result);
  }
  return { results, failures };
}
