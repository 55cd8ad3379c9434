// The three topics of a car [TOPIC-NAMES].

/** The topics of one car. */
export interface CarTopics {
  /** Gateway to server: `ExternalClient`. */
  readonly moduleGateway: string;
  /** Server to gateway: `ExternalServer`. */
  readonly externalServer: string;
  /** Server to gateway, empty: "I dropped the session, connect again now". */
  readonly disconnect: string;
}

/** Names the topics of `car`, which belongs to `company`. */
export function carTopics(company: string, car: string): CarTopics {
  return {
    moduleGateway: `${company}/${car}/module_gateway`,
    externalServer: `${company}/${car}/external_server`,
    disconnect: `${company}/${car}/external_server_disconnect`,
  };
}
