// Encodes internal servers, so that recorded ones can be stepped again.
import {
  bytes,
  device,
  type Format,
  list,
  moment,
  nullable,
  number,
  record,
  union,
  versioned,
  word,
} from "../encoding/mod.ts";
import {
  allConnections,
  type Awaited,
  type Closing,
  type Connection,
  createInternalServer,
  type InternalServerState,
  type New,
  put,
  register,
  type Registered,
} from "./state.ts";

/** The version of the format. */
const FORMAT = 1;

const common = {
  id: number,
  heardAt: moment,
  frameSince: nullable(moment),
  heldBytes: number,
};
const awaited = record<Awaited>({
  what: word("connect", "status"),
  request: number,
  device,
  since: moment,
});
const connections = list(union<Connection, "kind">("kind", {
  new: record<Omit<New, "kind">>({ ...common, acceptedAt: moment }),
  registered: record<Omit<Registered, "kind">>({
    ...common,
    device,
    awaited: nullable(awaited),
    commands: list(bytes),
  }),
  closing: record<Omit<Closing, "kind">>({ ...common, since: moment }),
}));
const values = record<Pick<InternalServerState, "nextRequest"> & { all: readonly Connection[] }>({
  nextRequest: number,
  all: connections,
});

/** What can be derived from the connections is not written. */
const server: Format<InternalServerState> = {
  write: (state, now) =>
    values.write({ nextRequest: state.nextRequest, all: [...allConnections(state)] }, now),
  read(json, now) {
    const { nextRequest, all } = values.read(json, now);
    return all.reduce<InternalServerState>((state, connection) => {
      const next = put(state, connection);
      return connection.kind === "registered"
        ? register(next, connection.device, connection.id)
        : next;
    }, { ...createInternalServer(), nextRequest });
  },
};

export const { encode, decode } = versioned("an internal server", FORMAT, server);
