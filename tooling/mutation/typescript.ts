import { stripTypeScriptTypes } from "node:module";
import { type Node as AcornNode, parse } from "acorn";
import type { Edit } from "./mutant.ts";
import { looksLikeSql } from "./sql.ts";
import { isNode, type Node, walk } from "./tree.ts";

/** Other operators in the place of each. */
const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "++": ["--"],
  "--": ["++"],
};

/** Other methods in the place of each. */
const METHODS: Readonly<Record<string, string>> = {
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  some: "every",
  every: "some",
  all: "race",
};

/** Methods whose call is replaced by the object of the call. */
const LEFT_OUT = new Set(["filter", "slice", "toSorted", "toReversed", "trim", "toWellFormed", "replaceAll"]);

/**
 * TypeScript without its types. Every character keeps its place, so that places in this text are
 * places in the file.
 */
export function withoutTypes(source: string): string {
  return stripTypeScriptTypes(source);
}

/** The edits of a file, in places of `withoutTypes(source)`. */
export function typescriptEdits(source: string): Edit[] {
  const code = withoutTypes(source);
  const edits: Edit[] = [];
  const put = (node: Node, by: string) => edits.push({ start: node.start, end: node.end, by });
  const text = (node: unknown) => (isNode(node) ? code.slice(node.start, node.end) : "");

  walk(program(code), (node, around) => {
    const [parent] = around;
    if (isMessage(around)) return;
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression":
        // A text that is put together from parts.
        if (node["operator"] === "+" && [node["left"], node["right"]].some(isText)) break;
        operator(code, node, node["left"] as Node, node["right"] as Node, edits);
        break;
      case "AssignmentExpression":
        operator(code, node, node["left"] as Node, node["right"] as Node, edits);
        break;
      case "UpdateExpression":
        put(
          node,
          text(node).replace(/\+\+|--/, (found) => (found === "++" ? "--" : "++")),
        );
        break;
      case "UnaryExpression":
        if (node["operator"] === "!" || node["operator"] === "-") put(node, text(node["argument"]));
        break;
      case "IfStatement":
      case "ConditionalExpression":
        for (const by of ["true", "false"]) put(node["test"] as Node, by);
        break;
      case "WhileStatement":
      case "DoWhileStatement":
        put(node["test"] as Node, "false");
        break;
      case "ForStatement":
        if (isNode(node["test"])) put(node["test"], "false");
        break;
      case "Literal":
        if (typeof node["value"] === "boolean") put(node, String(!node["value"]));
        else if (typeof node["value"] === "number") put(node, node["value"] === 1 ? "0" : `${node["value"] + 1}`);
        break;
      case "ArrayExpression":
        if ((node["elements"] as unknown[]).length > 0 && parent?.type !== "ForOfStatement") put(node, "[]");
        break;
      case "ExpressionStatement":
        // A call, an assignment. Not the `super` of a constructor, or a directive.
        if (!/^super\b|^"/.test(text(node))) put(node, ";");
        break;
      case "ThrowStatement":
      case "BreakStatement":
      case "ContinueStatement":
        put(node, ";");
        break;
      case "ReturnStatement":
        // At the end of a function, `return undefined` changes nothing.
        if (!node["argument"]) put(node, ";");
        break;
      case "MemberExpression":
        if (node["optional"]) edits.push(edit(code, node, (found) => found.replace("?.", node["computed"] ? "" : ".")));
        break;
      case "CallExpression":
        method(node, edits);
        break;
    }
  });
  return edits;
}

function program(code: string): Node {
  const tree: AcornNode = parse(code, { ecmaVersion: "latest", sourceType: "module" });
  return tree as unknown as Node;
}

/** Within the message of an error, or the argument of a call that reports one. */
function isMessage(around: readonly Node[]): boolean {
  return around.some(
    ({ type, callee }) => type === "NewExpression" && isNode(callee) && /Error$/.test(`${callee["name"]}`),
  );
}

function isText(value: unknown): boolean {
  return isNode(value) && (value.type === "TemplateLiteral" || typeof value["value"] === "string");
}

/** The operator between the two operands. */
function operator(code: string, node: Node, left: Node, right: Node, edits: Edit[]): void {
  const own = node["operator"] as string;
  const start = code.indexOf(own, left.end);
  if (start < 0 || start >= right.start) return;
  for (const by of OPERATORS[own] ?? []) edits.push({ start, end: start + own.length, by });
}

/** The last part of a member expression, from the end of its object. */
function edit(code: string, node: Node, change: (text: string) => string): Edit {
  const { end } = node["object"] as Node;
  return { start: end, end: node.end, by: change(code.slice(end, node.end)) };
}

function method(node: Node, edits: Edit[]): void {
  const callee = node["callee"] as Node;
  if (callee.type !== "MemberExpression" || callee["computed"] || callee["optional"]) return;
  const [property, object] = [callee["property"], callee["object"]] as [Node, Node];
  const name = `${property["name"]}`;
  if (Object.hasOwn(METHODS, name))
    edits.push({ start: property.start, end: property.end, by: METHODS[name] as string });
  if (LEFT_OUT.has(name)) edits.push({ start: object.end, end: node.end, by: "" });
  if (name === "catch" || name === "finally") edits.push({ start: object.end, end: node.end, by: "" });
}

/** A piece of SQL in a TypeScript file: where its characters are, with `§` for what is put in. */
export interface Piece {
  readonly start: number;
  readonly text: string;
}

/** The texts of a file that are SQL, or parts of SQL. */
export function sqlPieces(source: string): Piece[] {
  const code = withoutTypes(source);
  const pieces: Piece[] = [];
  walk(program(code), (node, around) => {
    if (isMessage(around)) return;
    if (node.type === "TemplateLiteral") {
      let text = code.slice(node.start + 1, node.end - 1);
      for (const inner of node["expressions"] as Node[]) {
        // With the `${` and the `}` around it.
        const from = code.lastIndexOf("${", inner.start) - node.start - 1;
        const to = code.indexOf("}", inner.end) - node.start;
        text = text.slice(0, from) + "§".repeat(to - from) + text.slice(to);
      }
      if (looksLikeSql(text)) pieces.push({ start: node.start + 1, text });
    } else if (node.type === "Literal" && typeof node["value"] === "string") {
      const text = code.slice(node.start + 1, node.end - 1);
      if (looksLikeSql(text)) pieces.push({ start: node.start + 1, text });
    }
  });
  return pieces;
}
