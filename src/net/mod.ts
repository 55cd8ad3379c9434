// Byte connections: addresses, TCP, TLS, and the client side of WebSockets.
export { acceptAll, type AcceptOptions } from "./accept.ts";
export {
  brokerAddress,
  defaultPort,
  type Endpoint,
  formatAddress,
  hostPort,
  isLoopback,
  isSecure,
  overTls,
  parseAddress,
  reachableHost,
} from "./address.ts";
export {
  BrokerClosedError,
  BrokerRefusedError,
  BrokerStalledError,
  describeListenFailure,
  HttpListenError,
  ListenError,
  MalformedFrameError,
  MalformedPacketError,
  TlsFileError,
  WebSocketRefusedError,
} from "./errors.ts";
export { getOnce, type HttpTarget } from "./http_get.ts";
export { concatenate, ConnLink, type Link, type LinkListener } from "./link.ts";
export { LinkStream, openStream } from "./link_stream.ts";
export { openLink } from "./open_link.ts";
export { type PostOutcome, postSigned, retryAfter, signedHeaders } from "./signed_post.ts";
export { readTls, type TlsFiles, type TlsMaterial } from "./tls.ts";
