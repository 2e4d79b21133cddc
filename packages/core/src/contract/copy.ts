/** A deeper value stays JSON text, which needs no stack. */
const MAX_DEPTH = 200;

/** How many bytes the rest of the value's JSON text may take. */
interface Room {
  bytes: number;
}

/**
 * Copies plain objects, arrays and primitives, as `JSON.parse(JSON.stringify(value))` would.
 * Returns `undefined` if the value holds anything else, is deep, or may have a JSON text larger
 * than `maxBytes`. Its sizes are upper bounds.
 */
export function copyPlain(value: unknown, maxBytes = Number.POSITIVE_INFINITY): unknown {
  const room: Room = { bytes: maxBytes };
  try {
    const copy = copied(value, room, MAX_DEPTH);
    return room.bytes < 0 ? undefined : copy;
  } catch {
    // A getter threw.
    return undefined;
  }
}

function copied(value: unknown, room: Room, depth: number): unknown {
  switch (typeof value) {
    case "string":
      // The longest form of a code unit is an escape of 6 bytes.
      room.bytes -= 6 * value.length + 2;
      return value;
    case "boolean":
      room.bytes -= 5;
      return value;
    case "number":
      room.bytes -= 25;
      // The sum makes 0 of -0.
      return Number.isFinite(value) ? value + 0 : undefined;
    case "object":
      break;
    default:
      return undefined;
  }
  room.bytes -= 4;
  if (value === null) return null;
  if (depth === 0 || room.bytes < 0 || typeof (value as { toJSON?: unknown }).toJSON === "function") return undefined;
  if (Array.isArray(value)) {
    // A copy by spread has no room for more items. (One that grows item by item has room for 17.)
    const items: unknown[] = [...value];
    room.bytes -= items.length;
    for (let index = 0; index < items.length; index += 1) {
      const item = copied(items[index], room, depth - 1);
      if (item === undefined) return undefined;
      if (!Object.is(item, items[index])) items[index] = item;
    }
    return items;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const fields: Record<string, unknown> = {};
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key];
    if (field === undefined) continue;
    // An assignment to `__proto__` would set the prototype.
    if (key === "__proto__" || !Object.hasOwn(value, key)) return undefined;
    const copy = copied(field, room, depth - 1);
    if (copy === undefined) return undefined;
    room.bytes -= 6 * key.length + 4;
    fields[key] = copy;
  }
  return fields;
}
