import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import CopyButtons from "vitepress-plugin-llms/vitepress-components/CopyOrDownloadAsMarkdownButtons.vue";
import MermaidDiagram from "./MermaidDiagram.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("MermaidDiagram", MermaidDiagram);
    app.component("CopyOrDownloadAsMarkdownButtons", CopyButtons);
  },
} satisfies Theme;
