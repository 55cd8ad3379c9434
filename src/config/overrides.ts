// What the command line adds to a configuration [CLI-ARGUMENTS].

/** What the command line adds to a configuration. */
export interface Overrides {
  /** Present with `--tls`: replaces the document's TLS settings. */
  readonly tls?: {
    /** `--ca`; required, but checked together with the rest, so it may be missing here. */
    readonly ca?: string | undefined;
    /** `--cert` and `--key`: only together. */
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
  /** Present with `--no-tls`: the document's TLS files do not count. */
  readonly noTls?: true;
  /** Files that are named without `--tls`: each replaces the document's, if that has TLS. */
  readonly tlsFiles?: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
  /** Present with `--broker`: the embedded broker listens at the broker's address. */
  readonly embeddedBroker?: {
    /** Replaces the document's port; 0: chosen by the system. */
    readonly port?: number | undefined;
  };
  /** `--event-log`: the directory of the event log. */
  readonly eventLog?: string | undefined;
  /** `--instance`: this server's id among those of a cluster. */
  readonly instance?: string | undefined;
}
