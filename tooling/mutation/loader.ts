// Gives a module other code than its file has. Node runs it before each program of a mutant, also
// in the processes that a case starts.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const file = process.env["MUTANT_FILE"];
if (file !== undefined) {
  const { path, text } = JSON.parse(readFileSync(file, "utf8")) as { path: string; text: string };
  const mutated = pathToFileURL(path).href;
  registerHooks({
    load: (url, context, nextLoad) =>
      url === mutated ? { format: "module", source: text, shortCircuit: true } : nextLoad(url, context),
  });
}
