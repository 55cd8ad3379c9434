// Tells systemd how a service is: for `start`, before it loads the rest of this room.
export { type Notify, servicePart, systemdNotify } from "./systemd.ts";
