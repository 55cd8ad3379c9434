// The demo. A room of its own, as a server that starts must not load what only the demo needs.
export { ChainCars } from "./chain_cars.ts";
export { Countdown } from "./countdown.ts";
export { COMPANY, Demo, type DemoSetting } from "./demo.ts";
export { SimulatedCars } from "./simulated_cars.ts";
