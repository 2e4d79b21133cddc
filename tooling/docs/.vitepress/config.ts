import { slug } from "github-slugger";
import { defineConfig } from "vitepress";
import llms from "vitepress-plugin-llms";
import { completeLinks } from "./agents.ts";
import { leadingLinks, ON_GITHUB, SITE } from "./links.ts";
import { plainCorners, titledCode } from "./markdown.ts";
import { nav, rooms, sidebar } from "./sidebar.ts";

export default defineConfig({
  title: "mcp-task-store",
  description: "Durable tasks for MCP servers in TypeScript",
  base: new URL(SITE).pathname,
  cleanUrls: true,
  lastUpdated: true,
  srcExclude: ["README.md"],
  rewrites: { "inside/decisions/README.md": "inside/decisions/index.md" },
  sitemap: { hostname: SITE },
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    // Headings have the same anchors as on GitHub.
    anchor: { slugify: slug },
    config(md) {
      md.use(leadingLinks).use(titledCode).use(plainCorners);
    },
  },
  vite: {
    plugins: [
      llms({
        domain: new URL(SITE).origin,
        sidebar: rooms,
        injectLLMHint: false,
        // The reference has megabytes. Its pages are in llms.txt.
        ignoreFilesPerOutput: { llmsFullTxt: ["reference/api/**"] },
      }),
    ],
    build: { chunkSizeWarningLimit: 5000 },
  },
  transformPageData(page) {
    if (page.relativePath.startsWith("inside/decisions/"))
      page.description ||= `A decision with its figures: ${page.title}`;
    if (page.relativePath.startsWith("reference/api/"))
      page.description ||= `Reference from the docstrings: ${page.title}`;
  },
  buildEnd: completeLinks,
  themeConfig: {
    nav,
    sidebar,
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: ON_GITHUB }],
    editLink: { pattern: `${ON_GITHUB}/edit/main/tooling/docs/:path` },
    outline: [2, 3],
    notFound: { linkLabel: "Take me home" },
    footer: { message: "MIT license" },
  },
});
