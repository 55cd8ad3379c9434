// The embedded MQTT broker.
export { EmbeddedBroker } from "./broker.ts";
