// Where the two sides of this module are; in a compiled program they are embedded beside this.
import { fileURLToPath } from "node:url";

/** What the server loads. */
export const SERVER_SIDE = fileURLToPath(new URL("example_module.ts", import.meta.url));
/** What a Module Gateway loads. */
export const GATEWAY_SIDE = fileURLToPath(new URL("gateway_module.ts", import.meta.url));
