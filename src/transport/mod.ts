// A car's connection to its broker: the interface, and MQTT behind it.
export { brokerAdvice } from "./mqtt/broker_advice.ts";
export { BrokerConnector, type BrokerWay, findWay } from "./mqtt/broker_connector.ts";
export { describeFailure } from "./mqtt/failure.ts";
export type { TransportStats } from "./mqtt/message_lane.ts";
export { MqttTransport } from "./mqtt/mqtt_transport.ts";
export type { CarTransport, MessageLimits, TransportListener } from "./transport.ts";
