import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
};

/**
 * Puts all files into one module, so that the package reads no file at run time: bundlers of
 * servers can follow an import.
 */
function oneModule(): Plugin {
  return {
    name: "one-module",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
        const files = Object.entries(bundle).map(([path, file]) => {
          const text = file.type === "chunk" ? file.code : Buffer.from(file.source).toString("utf8");
          delete bundle[path];
          return [path, { type: TYPES[path.split(".").at(-1) ?? ""] ?? "text/plain", text }];
        });
        const source = `export const files = ${JSON.stringify(Object.fromEntries(files), null, 1)};\n`;
        this.emitFile({ type: "asset", fileName: "files.js", source });
        this.emitFile({ type: "asset", fileName: "LICENSES.md", source: licensesOf(modules) });
      },
    },
  };
}

/** The licenses of the libraries whose code these modules are. */
function licensesOf(modules: readonly string[]): string {
  const libraries = new Map<string, string>();
  for (const module of modules.filter((path) => path.includes("/node_modules/"))) {
    let folder = dirname(module);
    while (!existsSync(join(folder, "LICENSE")) && !folder.endsWith("node_modules")) folder = dirname(folder);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const [license = "LICENSE"] = globSync("LICENSE*", { cwd: folder });
    libraries.set(`${manifest.name} ${manifest.version}`, readFileSync(join(folder, license), "utf8").trim());
  }
  const texts = [...libraries].map(([name, text]) => `## ${name}\n\n${text}\n`);
  return ["# Libraries in the pages of the dashboard\n", ...texts.toSorted()].join("\n");
}

export default defineConfig({
  root: at("client"),
  base: "./",
  logLevel: "warn",
  resolve: { alias: { react: "preact/compat", "react-dom": "preact/compat" } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: at("dist/client"),
    emptyOutDir: true,
    modulePreload: false,
    assetsInlineLimit: 0,
    target: "es2022",
    reportCompressedSize: false,
  },
  plugins: [oneModule()],
});
