import { defineConfig } from "vitepress";
import llms from "vitepress-plugin-llms";
import { leadingLinks } from "./links.ts";
import { nav, sidebar } from "./sidebar.ts";
import { titledCode } from "./titled-code.ts";

const REPOSITORY = "https://github.com/mcp-task-store/mcp-task-store";

export default defineConfig({
  title: "mcp-task-store",
  description: "Durable tasks for MCP servers in TypeScript",
  base: process.env.SITE_BASE ?? "/mcp-task-store/",
  cleanUrls: true,
  lastUpdated: true,
  srcExclude: ["README.md"],
  rewrites: { "inside/decisions/README.md": "inside/decisions/index.md" },
  sitemap: { hostname: "https://mcp-task-store.github.io/mcp-task-store/" },
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config(md) {
      md.use(leadingLinks).use(titledCode);
    },
  },
  vite: { plugins: [llms({ domain: "https://mcp-task-store.github.io" })] },
  themeConfig: {
    nav,
    sidebar,
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: REPOSITORY }],
    editLink: { pattern: `${REPOSITORY}/edit/main/tooling/docs/:path` },
    outline: [2, 3],
    footer: { message: "MIT license" },
  },
});
