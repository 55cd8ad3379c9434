// The demo. A room of its own, as a server that starts must not load what only the demo needs.
export { Countdown } from "./countdown.ts";
export { COMPANY, Demo } from "./demo.ts";
