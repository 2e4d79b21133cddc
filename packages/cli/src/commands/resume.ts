import { pauseCommand } from "../pauses.ts";

export default pauseCommand("resumed", "Workers claim tasks of these names again, within their claimPollMs.");
