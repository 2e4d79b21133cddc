import { text } from "node:stream/consumers";
import { UsageError } from "./exit.ts";

/** The JSON of an option; `-` stands for what comes on stdin. @throws UsageError */
export async function jsonOf(option: string, given: string): Promise<unknown> {
  const json = given === "-" ? await text(process.stdin) : given;
  try {
    return JSON.parse(json);
  } catch {
    throw new UsageError(`${option} takes JSON${given === "-" ? ", and stdin had none" : ""}`);
  }
}
