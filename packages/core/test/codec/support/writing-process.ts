import { directoryStorage } from "@mcp-task-store/core";

// node writing-process.ts <folder> <writer>: writes objects until it is killed. It prints a line
// when the first one is whole.

const [folder = "", writer] = process.argv.slice(2);
const storage = directoryStorage(folder);
const bytes = new Uint8Array(8_000_000).fill(1);
for (let number = 0; ; number += 1) {
  await storage.put(`s/0${writer}/task.${number}`, bytes);
  if (number === 0) console.log("written");
}
