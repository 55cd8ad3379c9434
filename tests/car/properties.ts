// What happens in random worlds, more or less often.
import fc from "../support/properties.ts";
import { DeviceState } from "../../src/protocol/messages.ts";
import type { Action } from "./world.ts";

const { CONNECTING, RUNNING, ERROR, DISCONNECT } = DeviceState;

/** Ordinary life: nothing ends a session but time and the devices themselves. */
export const ordinary: fc.WeightedArbitrary<Action>[] = [
  {
    weight: 30,
    arbitrary: fc.record({
      do: fc.constant("deliver"),
      pick: fc.nat(8),
      // Loss is rare, or no session would live long.
      copies: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant("return"),
      module: fc.nat(1),
      outcome: fc.constantFrom("ok", "ok", "ok", "ok", "ok", "ok", "not_ok", "timeout_occurred"),
    }),
  },
  {
    weight: 25,
    arbitrary: fc.record({
      do: fc.constant("status"),
      device: fc.nat(4),
      state: fc.constantFrom(RUNNING, RUNNING, RUNNING, RUNNING, CONNECTING, DISCONNECT, ERROR, 17),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("command"), device: fc.nat(4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("settle") }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("time"), ms: fc.nat(4000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("restart"),
      first: fc.constantFrom(0, 1, 0x7ffffffe, 0xfffffffd),
    }),
  },
];

/** What ends sessions from outside. */
export const rough: fc.WeightedArbitrary<Action>[] = [
  ...ordinary,
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("broker", "move", "modules") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("operate"),
      what: fc.constantFrom("restart", "pause", "resume", "resume", "resume"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("time"), ms: fc.nat(40_000) }) },
];
