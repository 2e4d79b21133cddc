import type { MarkdownRenderer } from "vitepress";

/** Shows the `title="name.ts"` of a block of code above it, and draws blocks of Mermaid. */
export function titledCode(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence;
  if (fence === undefined) throw new Error("markdown-it renders no fences");
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const { info = "", content = "" } = tokens[index] ?? {};
    if (info.trim() === "mermaid") return `<MermaidDiagram code="${encodeURIComponent(content)}" />`;
    const title = /\btitle="([^"]+)"/.exec(info)?.[1];
    const code = fence(tokens, index, ...rest);
    return title === undefined ? code : `<div class="titled"><p>${md.utils.escapeHtml(title)}</p>${code}</div>`;
  };
}
