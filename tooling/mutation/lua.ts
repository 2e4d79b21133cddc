import luaparse from "luaparse";
import type { Edit } from "./mutant.ts";
import { isNode, type Node, walk } from "./tree.ts";

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "==": ["~="],
  "~=": ["=="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  and: ["or"],
  or: ["and"],
};

const FUNCTIONS: Readonly<Record<string, string>> = {
  "math.max": "math.min",
  "math.min": "math.max",
  "math.floor": "math.ceil",
  "math.ceil": "math.floor",
};

/** Arguments of Redis' commands without which the command does something else. */
const OPTIONS = new Set(["XX", "NX", "GT", "LT"]);

/** The edits of a Lua file. */
export function luaEdits(source: string): Edit[] {
  const edits: Edit[] = [];
  const put = (node: Node, by: string) => edits.push({ start: node.start, end: node.end, by });
  const text = (node: unknown) => (isNode(node) ? source.slice(node.start, node.end) : "");

  walk(chunk(source), (node, around) => {
    const [parent] = around;
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression": {
        const own = node["operator"] as string;
        const { end } = node["left"] as Node;
        const between = source.slice(end, (node["right"] as Node).start);
        const start = end + between.indexOf(own);
        for (const by of OPERATORS[own] ?? []) edits.push({ start, end: start + own.length, by });
        // The beginning of a range that leaves out its bound.
        if (own === ".." && /^'\($/.test(text(node["left"]).slice(0, -1))) put(node, text(node["right"]));
        break;
      }
      case "UnaryExpression":
        if (node["operator"] === "not") put(node, `(${text(node["argument"])})`);
        break;
      case "IfClause":
      case "ElseifClause":
        for (const by of ["true", "false"]) put(node["condition"] as Node, by);
        break;
      case "WhileStatement":
        put(node["condition"] as Node, "false");
        break;
      case "BooleanLiteral":
        put(node, node["value"] ? "false" : "true");
        break;
      case "NumericLiteral":
        // A key or an argument by its place: another one fails at once.
        if (parent?.type !== "IndexExpression")
          put(node, node["value"] === 1 ? "0" : `${(node["value"] as number) + 1}`);
        break;
      case "StringLiteral":
        if (OPTIONS.has(text(node).slice(1, -1))) edits.push(withoutArgument(source, node));
        break;
      case "CallStatement":
      case "AssignmentStatement":
        put(node, "");
        break;
      case "BreakStatement":
        put(node, "");
        break;
      case "ReturnStatement":
        // A return in the middle. Those at the end of a function are what the function is for.
        if (parent?.type === "IfClause" || parent?.type === "ElseifClause") put(node, "");
        break;
      case "CallExpression": {
        const base = node["base"] as Node;
        const by = FUNCTIONS[text(base)];
        if (by !== undefined) put(base, by);
        break;
      }
    }
  });
  return edits;
}

/** With the comma before it. */
function withoutArgument(source: string, { start, end }: Node): Edit {
  return { start: source.lastIndexOf(",", start), end, by: "" };
}

function chunk(source: string): Node {
  const onCreateNode = (node: luaparse.Node) => {
    const { range } = node as unknown as { range?: [number, number] };
    if (range) Object.assign(node, { start: range[0], end: range[1] });
  };
  return luaparse.parse(source, { luaVersion: "5.1", ranges: true, comments: false, onCreateNode }) as unknown as Node;
}
