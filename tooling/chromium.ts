import { access, constants } from "node:fs/promises";
import { type Browser, chromium } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Nothing that asks the network, and what root needs. */
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the Chromium of this machine. `TEST_CHROMIUM` names another one. */
export async function launchChromium(): Promise<Browser> {
  const given = process.env["TEST_CHROMIUM"];
  for (const executablePath of given === undefined ? PLACES : [given]) {
    const found = await access(executablePath, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return chromium.launch({ executablePath, args: ARGS });
  }
  throw new Error(
    `There is no Chromium at ${given ?? PLACES.join(", ")}. Install it (on Debian: apt-get install chromium), or name one by TEST_CHROMIUM`,
  );
}
