// What a host of scripts keeps.

/** What configurations may grant: a script's worker has of that what its own one does. */
export const GRANTABLE = ["net", "read", "write", "env"] as const;
