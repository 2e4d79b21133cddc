import { useData, withBase } from "vitepress";
import { defineComponent, h, ref } from "vue";

/** Links to the page's Markdown, and copies it. */
export const PageAsMarkdown = defineComponent(() => {
  const { page } = useData();
  const copied = ref("");
  const addressOf = (path: string) => withBase(`/${path.replace(/\/index\.md$/, ".md")}`);
  const copy = async () => {
    const response = await fetch(addressOf(page.value.relativePath));
    await navigator.clipboard.writeText(await response.text());
    copied.value = page.value.relativePath;
  };
  return () => {
    const path = page.value.relativePath;
    return h("nav", { class: "page-as-markdown", "aria-label": "This page for agents" }, [
      h("a", { href: addressOf(path), target: "_self" }, "This page as Markdown"),
      h("button", { type: "button", onClick: copy }, copied.value === path ? "Copied" : "Copy it"),
    ]);
  };
});
