// What the command line adds to a configuration [CLI-ARGUMENTS].

/** What the command line adds to a configuration. */
export interface Overrides {
  /** Present when `--tls` is given: replaces what the document says about TLS. */
  readonly tls?: {
    /** `--ca`; required, but checked with everything else, so it may be absent here. */
    readonly ca?: string | undefined;
    /** `--cert` and `--key`: only together. */
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
  /** Present when `--broker` is given: the address is where the server itself listens. */
  readonly embeddedBroker?: {
    /** Replaces the document's port; 0: one the system chooses. */
    readonly port?: number | undefined;
  };
}
