// Imports the modules in its arguments. Prints the runtime, and what each module exports.
const exported: Record<string, string[]> = {};
for (const specifier of process.argv.slice(2)) exported[specifier] = Object.keys(await import(specifier)).toSorted();
const { bun, deno } = process.versions;
console.log(JSON.stringify({ bun, deno, exported }));
