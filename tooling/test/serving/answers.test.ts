import { ANY_OWNER, type ElicitParams, type TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { type Instance, instance, text } from "./support/instance.ts";
import type { Json, Peer } from "./support/rpc.ts";

const PROPERTIES = {
  sure: { type: "boolean" },
  name: { type: "string", minLength: 2, maxLength: 5 },
  age: { type: "integer", minimum: 18 },
  mail: { type: "string", format: "email" },
  page: { type: "string", format: "uri" },
  day: { type: "string", format: "date" },
  at: { type: "string", format: "date-time" },
  size: { type: "string", enum: ["s", "m"], default: "s" },
  color: { type: "string", oneOf: [{ const: "#f00", title: "Red" }] },
  tags: { type: "array", items: { type: "string", enum: ["a", "b"] }, maxItems: 1 },
};
const GOOD: Json = {
  sure: true,
  name: "Ada",
  age: 36,
  mail: "ada@example.com",
  page: "https://example.com/a",
  day: "1815-12-10",
  at: "1815-12-10T00:00:00Z",
  size: "m",
  color: "#f00",
  tags: ["b"],
};
const BAD: [field: keyof typeof PROPERTIES, value: unknown, expected: string][] = [
  ["sure", "maybe-secret", "content/sure must be boolean"],
  ["name", "x", "content/name must NOT have fewer than 2 characters"],
  ["age", 17, "content/age must be >= 18"],
  ["age", 18.5, "content/age must be integer"],
  ["mail", "maybe-secret", 'content/mail must match format "email"'],
  ["page", "maybe-secret", 'content/page must match format "uri"'],
  ["day", "maybe-secret", 'content/day must match format "date"'],
  ["at", "1815-12-10", 'content/at must match format "date-time"'],
  ["size", "maybe-secret", "content/size must be equal to one of the allowed values"],
  ["color", "maybe-secret", "content/color must be equal to constant"],
  ["tags", ["maybe-secret"], "content/tags/0 must be equal to one of the allowed values"],
];
const form = (requestedSchema: Json) => ({ mode: "form", message: "Who?", requestedSchema });

describe.each(stores.filter(({ name }) => ["memory", "SQLite"].includes(name)))(
  "answers over $name",
  ({ usePlaces }) => {
    const newPlace = usePlaces();
    let place: Place;
    let store: TaskStore;
    let server: Instance;
    let peer: Peer;

    beforeEach(async () => {
      place = await newPlace();
      store = place.open();
      server = instance(store, (tasks, mcp) => {
        const ask = (name: string, params: ElicitParams) =>
          tasks.registerTool(mcp, name, { task: "required" }, async (_, task) => {
            const { action, content } = await task.elicit(params, { key: "q" });
            return text(JSON.stringify({ action, content }));
          });
        ask("form", form({ type: "object", properties: PROPERTIES, required: ["sure"] }));
        ask("same-id", form({ $id: "a", type: "object", properties: { n: { type: "number" } }, required: ["n"] }));
        ask(
          "same-id-again",
          form({ $id: "a", type: "object", properties: { n: { type: "string" } }, required: ["n"] }),
        );
        ask("dialect", form({ $schema: "http://json-schema.org/draft-07/schema#", type: "object", required: ["n"] }));
        ask("broken", form({ type: "no such type" }));
        ask("url", { mode: "url", message: "Sign in", url: "https://example.com", elicitationId: "1" });
      });
      peer = server.peer();
    });
    afterEach(async () => {
      await server[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    });

    async function asked(tool: string): Promise<string> {
      const { taskId } = await peer.start(tool);
      await store.waitForTask(taskId, { owner: ANY_OWNER, until: ["input_required"] });
      return taskId;
    }
    const accept = (content?: unknown) => ({ action: "accept", ...(content === undefined ? {} : { content }) });

    async function takes(taskId: string, answer: object): Promise<void> {
      const { error } = await peer.update(taskId, { q: answer });
      expect(error).toBeUndefined();
      const result = await store.waitForResult(taskId, { owner: ANY_OWNER });
      expect(result).toEqual(text(JSON.stringify(answer)));
    }
    async function refuses(taskId: string, answer: object, expected: string): Promise<void> {
      const { error, text: said } = await peer.update(taskId, { q: answer });
      expect(error, said).toMatchObject({ code: -32602, message: `The answer to q does not fit: ${expected}` });
      expect(said).not.toContain("maybe-secret");
      expect(await peer.task(taskId)).toMatchObject({ status: "input_required", inputRequests: { q: {} } });
    }

    test("a form's answer must fit requestedSchema; until then the question stays open", async () => {
      const taskId = await asked("form");
      for (const [field, value, expected] of BAD) {
        const { error } = await peer.update(taskId, { q: accept({ ...GOOD, [field]: value }) });
        expect(error?.message).toContain(expected);
        expect(JSON.stringify(error)).not.toContain("maybe-secret");
      }
      await refuses(taskId, accept({}), "content must have required property 'sure'");
      await refuses(taskId, accept(), "content must have required property 'sure'");
      await takes(taskId, accept(GOOD));
    });

    test.each(["decline", "cancel"])("%s needs no content", async (action) => {
      await takes(await asked("form"), { action });
    });

    test("each answer is checked by its question's schema, even if two schemas share an $id", async () => {
      await refuses(await asked("same-id"), accept({ n: "a" }), "content/n must be number");
      const again = await asked("same-id-again");
      await refuses(again, accept({ n: 1 }), "content/n must be string");
      await takes(again, accept({ n: "a" }));
      await refuses(await asked("dialect"), accept({}), "content must have required property 'n'");
    });

    test("a question without a form, or with an unsatisfiable form, takes any content", async () => {
      await takes(await asked("url"), accept());
      await takes(await asked("broken"), accept({ n: 1 }));
    });
  },
);
