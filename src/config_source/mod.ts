// Configuration that is pulled: signed, tried out, confirmed or returned from, and cached.
export { Cache } from "./cache.ts";
export { EnvelopeError, makeKeyPair, openDocument, seal } from "./envelope.ts";
export { pull } from "./pull.ts";
export {
  type Applied,
  type CountedCar,
  RemoteConfig,
  type RemoteConfigOptions,
} from "./remote_config.ts";
export { documentText, PIN_TARGETS, type PinTarget } from "./state.ts";
export type { SourceView } from "./view.ts";
