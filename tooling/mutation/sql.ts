import type { Edit } from "./mutant.ts";

interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many parentheses are around it. */
  readonly depth: number;
  /** It is in a list of assignments, as of UPDATE ... SET. */
  readonly assigns: boolean;
}

/** `§` stands for what a program puts in. */
const TOKEN = /--[^\n]*|'(?:[^']|'')*'|"[^"]*"|[A-Za-z_§][\w§.]*|\$\d+|\d+|<=|>=|<>|\|\||::|[^\s\w]/g;

const KEYWORD =
  /\b(?:SELECT|INSERT|UPDATE|DELETE|WHERE|AND|OR|IS (?:NOT )?NULL|ORDER BY|LIMIT|FROM|IN|EXISTS|CASE|RETURNING|UNION|IS)\b|^\s*(?:>=|<=|=|<|>)\s|\w\s(?:=|>=|<=|<|>|<>)\s[?§$']|\b\w+_\w+ = /;

/** A text with statements of SQL, or with a part of one. */
export function looksLikeSql(text: string): boolean {
  return (
    KEYWORD.test(text) &&
    !/^(?:CREATE|DROP|ALTER|SET|LISTEN|PRAGMA|BEGIN|The|A|An|This) (?!TRIGGER|FUNCTION)/.test(text.trim())
  );
}

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "<>": ["="],
};

const OTHER: Readonly<Record<string, string>> = {
  AND: "OR",
  OR: "AND",
  "+": "-",
  "-": "+",
  "/": "*",
  "%": "*",
  greatest: "least",
  least: "greatest",
  max: "min",
  min: "max",
  TRUE: "FALSE",
  FALSE: "TRUE",
  true: "false",
  false: "true",
};

/** Where a condition ends that is at the same depth. */
const AFTER_CONDITION = /^(?:AND|OR|ORDER|LIMIT|GROUP|RETURNING|UNION|FOR|THEN|END|ON|WHEN|BEGIN|;|,)$/;
const AFTER_CLAUSE = /^(?:WHERE|FROM|RETURNING|ORDER|LIMIT|UNION|FOR|;)$/;

/**
 * The edits of a text of SQL.
 * @param source The same text with what a program puts in.
 */
export function sqlEdits(text: string, source: string = text): Edit[] {
  const tokens = tokensOf(text);
  const edits: Edit[] = [];
  const own = ({ start, end }: Token) => source.slice(start, end);
  const put = (from: Token, to: Token, by: string) => edits.push({ start: from.start, end: to.end, by });

  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    const before = tokens[index - 1];
    const after = tokens[index + 2];
    const { text: word } = token;
    // INSERT OR IGNORE, IF NOT EXISTS.
    if ((word === "OR" && next?.text === "IGNORE") || before?.text === "IF") {
      if (word === "OR" && next) put(token, next, "");
      return;
    }
    if (word === "=" && !token.assigns) put(token, token, "<>");
    for (const by of COMPARISONS[word] ?? []) put(token, token, by);
    if (word === "AND" && isBetween(tokens, index)) return;
    if (Object.hasOwn(OTHER, word) && !(/[+-]/.test(word) && isSign(before))) {
      if (!/^(?:max|min|greatest|least)$/.test(word) || next?.text === "(") put(token, token, OTHER[word] as string);
    }
    if (word === "*" && before && next && /[\w)?]$/.test(before.text) && !isSign(before) && /^[\w(?]/.test(next.text))
      put(token, token, "/");
    // A condition less.
    if (word === "AND" || word === "OR") {
      const last = endOf(tokens, index + 1, AFTER_CONDITION);
      if (last) put(token, last, without(word, text.slice(token.start, last.end)));
    }
    // The first condition of several.
    if (word === "WHERE" && next) {
      const last = endOf(tokens, index + 1, AFTER_CONDITION);
      const joint = last && tokens[tokens.indexOf(last) + 1];
      if (joint && /^(?:AND|OR)$/.test(joint.text) && joint.depth === token.depth)
        put(next, joint, without(joint.text, text.slice(next.start, joint.end), true));
    }
    if (word === "IS" && next) {
      if (next.text === "NOT") put(token, next, "IS");
      else put(token, token, "IS NOT");
    }
    if (word === "NOT" && next && /^(?:EXISTS|IN)$/.test(next.text)) put(token, next, next.text);
    if (word === "EXISTS" && before && !/^(?:NOT|IF)$/.test(before.text)) put(token, token, "NOT EXISTS");
    if (word === "ORDER" && next?.text === "BY") {
      const last = endOf(tokens, index + 2, AFTER_CLAUSE, true);
      if (last) put(token, last, "");
      if (last && last.text !== "DESC") put(last, last, `${own(last)} DESC`);
    }
    if (word === "DESC") put(token, token, "");
    if (word === "LIMIT" && next) {
      put(token, next, "");
      if (!next.text.startsWith("$")) put(next, next, `${own(next)} + 1`);
    }
    if (word === "SKIP" && next?.text === "LOCKED") put(token, next, "");
    if (word === "FOR" && next?.text === "UPDATE") {
      const last = after?.text === "SKIP" ? tokens[index + 3] : next;
      if (last) put(token, last, "");
    }
    if (word === "UNION") {
      const last = endOf(tokens, index + 1, /^(?:ORDER|LIMIT|;)$/);
      if (last) put(token, last, "");
    }
    if (/^\d+$/.test(word) && before?.text !== "::" && !/\$$/.test(before?.text ?? ""))
      put(token, token, word === "1" ? "0" : `${Number(word) + 1}`);
    if (/^'.+'$/.test(word) && before && /^(?:=|<>|THEN|ELSE|WHEN|,|\(|SELECT)$/.test(before.text))
      put(token, token, "'?'");
    if (/^(?:coalesce|ifnull)$/.test(word) && next?.text === "(") {
      const inner = next.depth + 1;
      const comma = tokens.find(({ text, depth }, at) => at > index && text === "," && depth === inner);
      const end = tokens.find(({ text, depth }, at) => at > index + 1 && text === ")" && depth === next.depth);
      if (comma && end)
        edits.push({ start: token.start, end: end.end, by: `${source.slice(next.start, comma.start)})` });
    }
    // An assignment less. The list has others.
    if (token.assigns && word === "," && next) {
      const last = endOf(tokens, index + 1, /^(?:,|WHERE|FROM|RETURNING|;)$/);
      if (last && isAssignment(tokens, index + 1)) put(token, last, "");
    }
  });
  return edits.filter(({ start, end }) => start !== end);
}

/**
 * A condition in the place of a removed one, with as many parameters, which are bound by their
 * places.
 */
function without(joint: string, removed: string, first = false): string {
  const parameters = removed.match(/\?/g)?.length ?? 0;
  if (parameters === 0) return "";
  const all = Array.from({ length: parameters }, () => "?").join(joint === "AND" ? " OR " : " AND ");
  const condition = joint === "AND" ? `(1 OR ${all})` : `(0 AND ${all})`;
  return first ? `${condition} ${joint}` : `${joint} ${condition}`;
}

function isSign(before: Token | undefined): boolean {
  return before === undefined || /^(?:[(,=<>?]|<=|>=|SELECT|AND|OR|WHERE)$/.test(before.text);
}

/** The AND of a BETWEEN. */
function isBetween(tokens: readonly Token[], index: number): boolean {
  return tokens.slice(Math.max(0, index - 4), index).some(({ text }) => text === "BETWEEN");
}

function isAssignment(tokens: readonly Token[], index: number): boolean {
  return tokens[index + 1]?.text === "=";
}

/** The last token before one that matches, at the depth of the first. */
function endOf(tokens: readonly Token[], from: number, stop: RegExp, commas = false): Token | undefined {
  const first = tokens[from];
  if (!first) return undefined;
  let last: Token | undefined;
  for (const token of tokens.slice(from)) {
    const inner = token.depth > first.depth;
    if (!inner && last && stop.test(token.text) && !(commas && token.text === ",")) break;
    if (token.depth < first.depth) break;
    last = token;
  }
  return last;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  let assigns: number | undefined;
  for (const { 0: word, index } of text.matchAll(TOKEN)) {
    if (word.startsWith("--")) continue;
    if (word === ")") depth -= 1;
    if (/^(?:SET|DECLARE)$/.test(word)) assigns = depth;
    else if (assigns !== undefined && (depth < assigns || (depth === assigns && AFTER_CLAUSE.test(word))))
      assigns = undefined;
    tokens.push({ text: word, start: index, end: index + word.length, depth, assigns: assigns === depth });
    if (word === "(") depth += 1;
  }
  return tokens;
}
