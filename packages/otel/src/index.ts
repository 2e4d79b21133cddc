export { type InstrumentOptions, instrumentTaskStores } from "./instrument.ts";
