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

/** A head of a table without a text is a plain cell, as for the corner of two heads. */
export function plainCorners(md: MarkdownRenderer): void {
  md.core.ruler.push("plain-corners", ({ tokens }) => {
    for (const [index, token] of tokens.entries()) {
      const close = tokens[index + 2];
      if (token.type !== "th_open" || tokens[index + 1]?.content !== "" || close === undefined) continue;
      token.tag = "td";
      close.tag = "td";
    }
  });
}
