// Conversations that are taken over at every point: nothing lost, doubled or out of order.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { encodeCheckpoint } from "../../src/cluster/checkpoint.ts";
import {
  createTakeover,
  type Decision,
  MAX_COLLECTED_MESSAGES,
  stepTakeover,
  type TakeoverInput,
} from "../../src/cluster/takeover.ts";
import { encodeClientMessage, encodeServerMessage } from "../../src/protocol/codec/mod.ts";
import {
  type ClientMessage,
  ConnectResponseType,
  DeviceState,
  type ServerMessage,
} from "../../src/protocol/mod.ts";
import { createSession, type Session } from "../../src/session/mod.ts";
import { values } from "../../src/session/queue.ts";
import { connectingCar, FRONT, LAMP, runningCar, SETTINGS, waitingCar } from "../car/support.ts";
import { type Action, Conversation, retained } from "./conversation.ts";

const SCRIPT: readonly Action[] = [
  { do: "status", lamp: false },
  { do: "command" },
  { do: "receive" },
  { do: "status", lamp: true },
  { do: "receive" },
  { do: "receive" },
  { do: "return", index: 1 },
  { do: "toggle" },
  { do: "command" },
  { do: "receive" },
  { do: "respond" },
  { do: "return", index: 0 },
  { do: "checkpoint" },
  { do: "receive" },
  { do: "toggle" },
  { do: "command" },
  { do: "status", lamp: false },
  { do: "receive" },
  { do: "return", index: 0 },
  { do: "receive" },
  { do: "return", index: 0 },
  { do: "respond" },
  { do: "receive" },
  { do: "receive" },
  { do: "return", index: 0 },
  { do: "checkpoint" },
  { do: "status", lamp: true },
  { do: "command" },
  { do: "receive" },
  { do: "return", index: 0 },
  { do: "receive" },
  { do: "receive" },
];

/** The whole script, its owner dead after so many packets; then a successor. */
function killedAfter(packets: number): Conversation {
  const conversation = new Conversation();
  conversation.act({ do: "kill", packets });
  for (const action of [...SCRIPT, ...SCRIPT]) conversation.act(action);
  return conversation;
}

function packetsOfScript(): number {
  const conversation = killedAfter(1e9);
  return 1e9 - conversation.owner.packets;
}

Deno.test("a takeover is exact wherever the owner was killed", () => {
  const packets = packetsOfScript();
  assert.ok(packets > 30, `${packets} packets`);
  for (let point = 0; point <= packets; point++) {
    const conversation = killedAfter(point);
    conversation.replace();
    conversation.settle();
    conversation.check();
    assert.equal(conversation.owner.decision?.type, "go_on");
  }
});

Deno.test("a takeover is exact wherever the owner and its successor were killed", () => {
  const packets = packetsOfScript();
  for (let point = 0; point <= packets; point += 3) {
    for (let second = 0; second <= 30; second++) {
      const conversation = killedAfter(point);
      for (let i = 0; i < 25; i++) conversation.act({ do: "status", lamp: i % 2 === 0 });
      conversation.replace(second);
      while (conversation.owner.receive());
      for (let i = 0; i < 8; i++) conversation.act({ do: "return", index: i });
      while (conversation.owner.receive());
      conversation.replace();
      conversation.settle();
      conversation.check();
    }
  }
});

Deno.test("a takeover with 60 messages at the broker gets to its barrier, and needs no more than 10 at a time", () => {
  const conversation = new Conversation();
  conversation.act({ do: "kill", packets: 0 });
  for (let i = 0; i < 60; i++) conversation.act({ do: "status", lamp: i % 3 === 0 });
  conversation.replace();
  while (conversation.owner.decision === null) assert.ok(conversation.owner.receive());
  assert.ok(conversation.owner.decision.type === "go_on");
  assert.equal(conversation.owner.decision.missed.length, 0);
  conversation.settle();
  conversation.check();
});

Deno.test("a takeover during a connect sequence leads to normal communication, wherever the owner was killed", () => {
  let told = 0;
  for (let point = 0; point <= 25; point++) {
    for (let received = 0; received <= 12; received++) {
      const conversation = new Conversation();
      const { gateway } = conversation;
      conversation.act({ do: "kill", packets: point });
      gateway.restart([FRONT, LAMP]);
      for (let i = 0; i < received; i++) {
        conversation.act({ do: "receive" });
        conversation.act({ do: "return", index: 0 });
        if (i % 4 === 3) conversation.act({ do: "checkpoint" });
      }
      conversation.replace();
      conversation.settle();
      const { session } = conversation.owner;
      assert.ok(session.kind === "running");
      assert.equal(session.sessionId, gateway.sessionId);
      assert.deepEqual(gateway.unanswered, []);
      assert.ok(gateway.told <= 1);
      told += gateway.told;
    }
  }
  assert.ok(told > 0);
});

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("status" as const), lamp: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: "toggle" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "command" as const }) },
  { weight: 3, arbitrary: fc.constant({ do: "respond" as const }) },
  { weight: 12, arbitrary: fc.constant({ do: "receive" as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("return" as const), index: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant({ do: "checkpoint" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), packets: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("replace" as const), packets: fc.nat(60) }) },
);

Deno.test("takeovers lose, double and reorder nothing, whatever happens between them", () => {
  let continued = 0;
  let died = 0;
  fc.assert(
    fc.property(fc.array(action, { maxLength: 250, size: "max" }), (actions) => {
      const conversation = new Conversation();
      for (const one of actions) conversation.act(one);
      conversation.settle();
      conversation.check();
      for (const decision of conversation.decisions.slice(1)) {
        if (decision === "go_on") continued++;
        else if (decision === "died") died++;
        else assert.fail(decision);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(continued > 100 && died > 100, `${continued} continued, ${died} died`);
});

function clientMessage(
  message: ClientMessage,
  packetId: number,
  isDuplicate: boolean,
): TakeoverInput {
  const payload = encodeClientMessage(message);
  return { type: "message", packetId, isDuplicate, message: { from: "gateway", payload } };
}

/** A checkpoint by the owner before, who had epoch 5. */
function written(session: Session | null, paused = false): Uint8Array {
  return encodeCheckpoint({ epoch: 5, paused, session, covered: [], pending: [] }, 0);
}

function echo(message: ServerMessage, packetId = 1): TakeoverInput {
  const payload = encodeServerMessage(message);
  return { type: "message", packetId, isDuplicate: true, message: { from: "self", payload } };
}

/** Takes over with epoch 6. */
function takenOver(
  encoded: Uint8Array | null,
  conversation: readonly TakeoverInput[] = [],
  { sessionPresent = true, minEpoch = 0 } = {},
): Decision {
  let takeover = createTakeover(6, sessionPresent, minEpoch);
  const inputs = [...conversation, { type: "checkpoint", encoded }, { type: "barrier" }] as const;
  for (const input of inputs) {
    takeover = stepTakeover(takeover, input, { now: 0, settings: SETTINGS }).takeover;
  }
  assert.ok(takeover.decision !== null);
  return takeover.decision;
}

function reasonOf(decision: Decision): string {
  return decision.type === "connect_again" ? decision.reason : decision.type;
}

const RUNNING = runningCar([FRONT, LAMP]).session;

Deno.test("a gateway is told to connect again, with the reason, when its conversation cannot be continued", () => {
  const good = written(RUNNING);
  const text = new TextDecoder().decode(good);
  const changed = (from: string, to: string) => new TextEncoder().encode(text.replace(from, to));
  assert.equal(reasonOf(takenOver(good)), "go_on");
  const cases: readonly (readonly [string, Decision])[] = [
    ["no_checkpoint", takenOver(null)],
    ["newer_format", takenOver(changed("[1,5", "[2,5"))],
    ["older_format", takenOver(changed("[1,5", "[0,5"))],
    ["damaged", takenOver(changed("[1,5", "[1,x"))],
    ["damaged", takenOver(good.subarray(0, good.length - 1))],
    ["damaged", takenOver(new Uint8Array(0))],
    ["older_epoch", takenOver(good, [], { minEpoch: 6 })],
    ["broker_session_lost", takenOver(good, [], { sessionPresent: false })],
    ["given_up", takenOver(written(null))],
    ["not_connected", takenOver(written(createSession()))],
  ];
  for (const [reason, decision] of cases) {
    assert.equal(reasonOf(decision), reason);
    assert.ok(decision.type === "connect_again");
    assert.notEqual(decision.detail, "");
    assert.equal(decision.session.kind, "offline");
  }
});

Deno.test("a checkpoint of a later owner ends a takeover: the car is another's", () => {
  let takeover = createTakeover(4, true);
  const encoded = written(RUNNING);
  const environment = { now: 0, settings: SETTINGS };
  takeover = stepTakeover(takeover, { type: "checkpoint", encoded }, environment).takeover;
  assert.deepEqual(takeover.decision, { type: "leave", epoch: 5 });
  const after = stepTakeover(takeover, { type: "barrier" }, environment);
  assert.deepEqual(after, { takeover, effects: [] });
});

Deno.test("a pause outlives checkpoints that cannot be used", () => {
  const text = new TextDecoder().decode(written(null, true));
  for (const encoded of [text, text.replace("[1,5", "[2,5")]) {
    const decision = takenOver(new TextEncoder().encode(encoded));
    assert.ok(decision.type === "connect_again");
    assert.ok(decision.session.base.paused);
  }
});

Deno.test("a conversation with something missing is not continued", () => {
  const sessionId = "s1";
  const command = {
    kind: "command",
    sessionId,
    device: FRONT,
    commandData: new Uint8Array(1),
  } as const;
  const { commandCounter } = RUNNING.base;
  const answered = { kind: "status_response", sessionId, messageCounter: 9 } as const;
  const cases: readonly (readonly [string, ServerMessage])[] = [
    ["conversation_gap", answered],
    ["go_on", { ...answered, messageCounter: 1 }],
    ["go_on", { ...answered, sessionId: "s0" }],
    ["conversation_gap", { ...command, messageCounter: commandCounter + 1 }],
    ["go_on", { ...command, messageCounter: commandCounter }],
    ["go_on", { ...command, messageCounter: commandCounter - 1 }],
    ["go_on", { kind: "connect_response", sessionId, type: ConnectResponseType.OK }],
    ["connect_sequence", {
      kind: "connect_response",
      sessionId,
      type: ConnectResponseType.ALREADY_LOGGED,
    }],
  ];
  for (const [expected, message] of cases) {
    const decision = takenOver(written(RUNNING), [echo(message)]);
    assert.equal(reasonOf(decision), expected, JSON.stringify(message));
    assert.ok(decision.type !== "leave");
    assert.deepEqual(decision.uncovered, [1]);
    const counted = message.kind === "command"
      ? Math.max(commandCounter, message.messageCounter + 1)
      : commandCounter;
    assert.equal(decision.session.base.commandCounter, counted);
  }
});

Deno.test("a connect sequence is continued if nothing of it was answered since the checkpoint", () => {
  const answer = echo({ kind: "connect_response", sessionId: "s1", type: ConnectResponseType.OK });
  const waiting = waitingCar().session;
  assert.equal(reasonOf(takenOver(written(waiting), [answer])), "go_on");
  const connecting = connectingCar([FRONT, LAMP]).session;
  const decision = takenOver(written(connecting));
  assert.ok(decision.type === "go_on");
  assert.equal(decision.session.kind, "connecting");
  const already = echo({
    kind: "connect_response",
    sessionId: "s1",
    type: ConnectResponseType.ALREADY_LOGGED,
  });
  assert.equal(reasonOf(takenOver(written(connecting), [already])), "connect_sequence");
});

Deno.test("a conversation that is given up stays so for the next owner, and is bounded", () => {
  let takeover = createTakeover(6, true);
  const environment = { now: 0, settings: SETTINGS };
  takeover =
    stepTakeover(takeover, { type: "checkpoint", encoded: written(RUNNING) }, environment).takeover;
  let last: Uint8Array | undefined;
  const payload = new Uint8Array(0);
  const message = { from: "gateway", payload } as const;
  // The last ones alone: each checkpoint until then has all pending ones.
  takeover = {
    ...takeover,
    collected: Array.from({ length: MAX_COLLECTED_MESSAGES - 5 }, () => message),
  };
  for (let packetId = 1; packetId <= 10; packetId++) {
    const input = { type: "message", packetId, isDuplicate: false, message } as const;
    const { takeover: next, effects } = stepTakeover(takeover, input, environment);
    takeover = next;
    for (const effect of effects) if (effect.type === "checkpoint") last = effect.encoded;
  }
  takeover = stepTakeover(takeover, { type: "barrier" }, environment).takeover;
  assert.ok(takeover.decision !== null && last !== undefined);
  assert.equal(reasonOf(takeover.decision), "too_much");
  assert.equal(reasonOf(takenOver(last)), "given_up");
});

Deno.test("messages that the checkpoint covers are not taken twice, and are acknowledged again", () => {
  const conversation = new Conversation();
  // Dead after the checkpoint, before its acknowledgments.
  conversation.act({ do: "status", lamp: false });
  conversation.act({ do: "receive" });
  conversation.act({ do: "kill", packets: 1 });
  conversation.act({ do: "checkpoint" });
  const { covered } = retained(conversation.broker);
  assert.ok(covered.length > 0);
  conversation.replace();
  while (conversation.owner.decision === null) assert.ok(conversation.owner.receive());
  assert.ok(conversation.owner.decision.type === "go_on");
  for (const id of covered) assert.ok(conversation.owner.decision.uncovered.includes(id));
  conversation.settle();
  conversation.check();
});

Deno.test("a Connect that the checkpoint covers is not answered again; a new one ends the session", () => {
  const { company, car } = SETTINGS;
  const connect = (sessionId: string): ClientMessage => ({
    kind: "connect",
    sessionId,
    company,
    vehicleName: car,
    devices: [FRONT],
  });
  const covering = encodeCheckpoint(
    { epoch: 5, paused: false, session: RUNNING, covered: [7], pending: [] },
    0,
  );
  const old = takenOver(covering, [clientMessage(connect("s1"), 7, true)]);
  assert.ok(old.type === "go_on");
  assert.deepEqual(old.missed, []);
  assert.deepEqual(old.uncovered, [7]);
  // The broker uses an identifier again only for a message that it has not sent before.
  const later = takenOver(covering, [clientMessage(connect("s2"), 7, false)]);
  assert.ok(later.type === "go_on");
  assert.deepEqual(later.missed.map(({ sessionId }) => sessionId), ["s2"]);
  const begun = { kind: "connect_response", sessionId: "s2", type: 0 } as const;
  const answered = takenOver(covering, [clientMessage(connect("s2"), 8, true), echo(begun, 9)]);
  assert.equal(reasonOf(answered), "connect_sequence");
});

/** A status of FRONT in the session of {@linkcode RUNNING}. */
function status(messageCounter: number, deviceState: number = DeviceState.RUNNING): ClientMessage {
  const empty = new Uint8Array(0);
  const common = { kind: "status", sessionId: "s1", deviceState, messageCounter } as const;
  return { ...common, device: FRONT, statusData: empty, errorMessage: empty };
}

function answer(messageCounter: number, packetId: number): TakeoverInput {
  return echo({ kind: "status_response", sessionId: "s1", messageCounter }, packetId);
}

Deno.test("statuses ahead of a gap are kept, and those that filled it are not answered again", () => {
  const early = [clientMessage(status(4), 1, true), clientMessage(status(3), 2, true)];
  const gap = takenOver(written(RUNNING), early);
  assert.ok(gap.type === "go_on" && gap.session.kind === "running");
  assert.deepEqual(gap.session.statuses.early.map(({ messageCounter }) => messageCounter), [4, 3]);
  assert.equal(gap.session.statuses.expected, 2);
  const filled = [...early, clientMessage(status(2), 3, true), answer(2, 4), answer(3, 5)];
  const decision = takenOver(written(RUNNING), filled);
  assert.ok(decision.type === "go_on" && decision.session.kind === "running");
  const { waiting, expected } = decision.session.statuses;
  assert.deepEqual(values(waiting).map(({ messageCounter }) => messageCounter), [4]);
  assert.equal(expected, 5);
});

Deno.test("a session whose last device has left is ended by the next owner", () => {
  const alone = runningCar([FRONT]);
  const leaving = clientMessage(status(1, DeviceState.DISCONNECT), 1, true);
  const decision = takenOver(written(alone.session), [leaving, answer(1, 2)]);
  assert.ok(decision.type === "go_on");
  alone.session = decision.session;
  assert.deepEqual(alone.input({ type: "take_over", missed: [] }).lines, [
    "notify",
    "ended all_devices_gone",
  ]);
});

Deno.test("a takeover goes on counting how long a slow module has had, if it still has the status", () => {
  const slow = runningCar([FRONT], { maxWaitingStatuses: 2 });
  slow.automatic = false;
  // 64 are with the module, and 2 wait.
  for (let i = 0; i < 66; i++) slow.status(FRONT);
  assert.ok(slow.session.kind === "running" && slow.session.reading.watched !== null);
  const { counter } = slow.session.reading.watched;
  const answers = Array.from({ length: 66 }, (_, index) => answer(index + 1, index + 1));
  const all = takenOver(written(slow.session), answers);
  assert.ok(all.type === "go_on" && all.session.kind === "running");
  assert.equal(all.session.reading.watched, null);
  const some = takenOver(written(slow.session), answers.slice(0, 60));
  assert.ok(some.type === "go_on" && some.session.kind === "running");
  assert.equal(some.session.reading.watched?.counter, counter);
});
