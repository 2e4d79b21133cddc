// Questions to a requestor, and answers that an operator gives. The page and the API share it.

export interface Question {
  method: string;
  params?: Record<string, unknown> | undefined;
}

/** A field of a form, as `requestedSchema` describes it. */
export interface Field {
  name: string;
  label: string;
  help: string | undefined;
  kind: "text" | "number" | "integer" | "boolean" | "one" | "several";
  required: boolean;
  choices: { value: string; label: string }[];
  /** The property of the schema. */
  schema: Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether the question is a form that `fieldsOf` knows. */
export function isForm({ method, params }: Question): boolean {
  return method === "elicitation/create" && params?.["mode"] !== "url" && isObject(params?.["requestedSchema"]);
}

/** The fields of a form. */
export function fieldsOf({ params }: Question): Field[] {
  const schema = params?.["requestedSchema"];
  if (!isObject(schema) || !isObject(schema["properties"])) return [];
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(schema["properties"]).flatMap(([name, property]) => {
    if (!isObject(property)) return [];
    const { title, description, type } = property;
    const items = isObject(property["items"]) ? property["items"] : {};
    const choices = choicesOf(type === "array" ? items : property);
    return {
      name,
      label: typeof title === "string" ? title : name,
      help: typeof description === "string" ? description : undefined,
      kind: kindOf(type, choices.length > 0),
      required: required.includes(name),
      choices,
      schema: property,
    } satisfies Field;
  });
}

function kindOf(type: unknown, hasChoices: boolean): Field["kind"] {
  if (type === "array") return "several";
  if (hasChoices) return "one";
  return type === "number" || type === "integer" || type === "boolean" ? type : "text";
}

function choicesOf(schema: Json): Field["choices"] {
  const titled = [schema["oneOf"], schema["anyOf"]].find(Array.isArray);
  if (titled)
    return titled.filter(isObject).map(({ const: value, title }) => ({
      value: String(value),
      label: typeof title === "string" ? title : String(value),
    }));
  const values = Array.isArray(schema["enum"]) ? schema["enum"] : [];
  const labels = Array.isArray(schema["enumNames"]) ? schema["enumNames"] : [];
  return values.map((value, index) => ({ value: String(value), label: String(labels[index] ?? value) }));
}

/** What is wrong with an answer, in words; nothing if it fits. */
export function problemsOf(question: Question, response: unknown): string[] {
  if (!isObject(response)) return ["it must be a JSON object"];
  if (question.method !== "elicitation/create") return [];
  const { action, content } = response;
  if (action !== "accept" && action !== "decline" && action !== "cancel")
    return ["action must be accept, decline or cancel"];
  if (action !== "accept" || !isForm(question)) return [];
  if (!isObject(content)) return ["content must be an object"];
  const fields = fieldsOf(question);
  const unknown = Object.keys(content).filter((name) => fields.every((field) => field.name !== name));
  return [
    ...unknown.map((name) => `the form has no field ${JSON.stringify(name)}`),
    ...fields.flatMap((field) => {
      const value = Object.hasOwn(content, field.name) ? content[field.name] : undefined;
      if (value === undefined) return field.required ? [`${field.label} is missing`] : [];
      const problem = problemOf(field, value);
      return problem === undefined ? [] : [`${field.label} ${problem}`];
    }),
  ];
}

function problemOf({ kind, choices, schema }: Field, value: unknown): string | undefined {
  const bound = (name: string) => (typeof schema[name] === "number" ? schema[name] : undefined);
  const outside = (size: number, min: number | undefined, max: number | undefined) =>
    (min !== undefined && size < min) || (max !== undefined && size > max);
  const isChoice = (each: unknown) => choices.length === 0 || choices.some((choice) => choice.value === each);
  switch (kind) {
    case "boolean":
      return typeof value === "boolean" ? undefined : "must be true or false";
    case "integer":
    case "number":
      if (typeof value !== "number" || !Number.isFinite(value)) return "must be a number";
      if (kind === "integer" && !Number.isInteger(value)) return "must be a whole number";
      return outside(value, bound("minimum"), bound("maximum")) ? "is too small or too large" : undefined;
    case "one":
      return typeof value === "string" && isChoice(value) ? undefined : "must be one of the choices";
    case "several":
      if (!Array.isArray(value) || !value.every(isChoice)) return "must be some of the choices";
      return outside(value.length, bound("minItems"), bound("maxItems")) ? "has too few or too many" : undefined;
    case "text":
      if (typeof value !== "string") return "must be a text";
      if (outside([...value].length, bound("minLength"), bound("maxLength"))) return "is too short or too long";
      return fitsFormat(schema["format"], value) ? undefined : `must be a ${String(schema["format"])}`;
  }
}

function fitsFormat(format: unknown, value: string): boolean {
  switch (format) {
    case "email":
      return /^[^\s@]+@[^\s@]+$/.test(value);
    case "uri":
      return URL.canParse(value);
    case "date":
      return /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value));
    case "date-time":
      return value.includes("T") && !Number.isNaN(Date.parse(value));
    default:
      return true;
  }
}
