// Writes the reference of every package from its docstrings to reference/api, for the site.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Application, type TypeDocOptions } from "typedoc";
import type { PluginOptions } from "typedoc-plugin-markdown";

const docs = import.meta.dirname;
const packages = join(docs, "../../packages");

interface Condition {
  readonly import?: string | Condition;
  readonly default?: string | Condition;
}

/** The source of what `exports` name: `./dist/backend/index.js` is `src/backend/index.ts`. */
function entryPoints(folder: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8"));
  return Object.values<Condition>(exports ?? {}).flatMap((each) => {
    const file = /^\.\/dist\/(.+)\.js$/.exec(fileOf(each))?.[1];
    return file === undefined ? [] : [join(packages, folder, `src/${file}.ts`)];
  });
}

function fileOf(condition: string | Condition | undefined): string {
  return typeof condition === "object" ? fileOf(condition.import ?? condition.default) : (condition ?? "");
}

const options: TypeDocOptions & PluginOptions = {
  entryPoints: readdirSync(packages).flatMap(entryPoints),
  tsconfig: join(docs, "tsconfig.reference.json"),
  plugin: ["typedoc-plugin-markdown"],
  out: join(docs, "reference/api"),
  router: "module",
  entryFileName: "index",
  readme: "none",
  useHTMLAnchors: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  expandObjects: false,
  parametersFormat: "table",
  interfacePropertiesFormat: "list",
  githubPages: false,
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  logLevel: "Warn",
};
const app = await Application.bootstrapWithPlugins(options);
const project = await app.convert();
if (project === undefined || app.logger.hasErrors()) process.exit(1);
for (const module of project.children ?? []) module.name = specifierOf(module.name);
await app.generateOutputs(project);

/** `core/src/backend` is imported as `core/backend`. */
function specifierOf(path: string): string {
  return path.replace(/\/src(?:\/index)?/, "").replace(/\/index$/, "");
}
