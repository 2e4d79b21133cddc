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
        const files = Object.entries(bundle).map(([path, file]) => {
          const text = file.type === "chunk" ? file.code : Buffer.from(file.source).toString("utf8");
          delete bundle[path];
          return [path, { type: TYPES[path.split(".").at(-1) ?? ""] ?? "text/plain", text }];
        });
        const source = `export const files = ${JSON.stringify(Object.fromEntries(files), null, 1)};\n`;
        this.emitFile({ type: "asset", fileName: "files.js", source });
      },
    },
  };
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
