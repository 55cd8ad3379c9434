// A car's connection to its broker: the interface, and MQTT behind it.
export { type BrokerWay, type Connector, createConnector, findWay } from "./connector.ts";
export type { Conversation, ConversationListener, ConversationOptions } from "./conversation.ts";
export { brokerAdvice } from "./mqtt/broker_advice.ts";
export { type ClientOptions, createClient } from "./mqtt/client.ts";
export { describeFailure } from "./mqtt/failure.ts";
export { type BrokerLimits, MqttSession } from "./mqtt/mqtt_session.ts";
export {
  type BrokerTrouble,
  type CarTransport,
  type CarTransportOptions,
  type MessageLimits,
  newTransportStats,
  type TransportListener,
  type TransportStats,
} from "./transport.ts";
