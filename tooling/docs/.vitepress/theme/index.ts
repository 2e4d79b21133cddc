import { type Theme, useData } from "vitepress";
import DefaultTheme from "vitepress/theme";
import { h, onMounted, watch } from "vue";
import MermaidDiagram from "./MermaidDiagram.vue";
import { PageAsMarkdown } from "./page-as-markdown.ts";
import "./style.css";

export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { "doc-before": () => h(PageAsMarkdown) }),
  enhanceApp({ app }) {
    app.component("MermaidDiagram", MermaidDiagram);
  },
  setup() {
    const { page } = useData();
    onMounted(markMain);
    watch(page, markMain, { flush: "post" });
  },
} satisfies Theme;

/** Only pages of text have an element `main`. The front page and the one for 404 need a role. */
function markMain(): void {
  const content = document.getElementById("VPContent");
  if (content?.querySelector("main")) content.removeAttribute("role");
  else content?.setAttribute("role", "main");
}
