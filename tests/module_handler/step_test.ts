// What a gateway does with a device, rule by rule.
import assert from "node:assert/strict";
import { BUTTON, bytes, CoreDevice, text } from "./support.ts";

/** A device that has sent its first status. */
function known(settings: ConstructorParameters<typeof CoreDevice>[0] = {}): CoreDevice {
  const core = new CoreDevice(settings);
  core.connect();
  core.status("a");
  core.called();
  return core;
}

Deno.test("[HANDLER-CONNECT] a device is answered what its module says of its type", () => {
  const core = new CoreDevice();
  assert.deepEqual(core.connect(), ["response 0"]);
  core.status("a");
  assert.deepEqual(core.connect(), ["response 0"], "one that is known, too");
  core.script = { is_device_type_supported: -1 };
  assert.deepEqual(core.connect(), ["response 3"]);
  core.script = { is_device_type_supported: new Error("crashed") };
  assert.deepEqual(core.connect(), ["dropped connect module_failed"]);
  core.called();
  assert.deepEqual(core.connect({ ...BUTTON, module: 5 }), ["response 2"]);
  assert.deepEqual(core.called(), []);
});

Deno.test("[HANDLER-STATUS-VALID] an invalid status is not answered, and changes nothing", () => {
  const core = known();
  const { aggregate } = core.state;
  core.script = { status_data_valid: -1 };
  assert.deepEqual(core.status("bad"), ["dropped status status_invalid"]);
  core.script = { status_data_valid: new Error("crashed") };
  assert.deepEqual(core.status("bad"), ["dropped status module_failed"]);
  assert.equal(core.state.aggregate, aggregate);
  assert.deepEqual(core.status("b", { ...BUTTON, module: 5 }), ["dropped status module_unknown"]);
});

Deno.test("[HANDLER-STATUS-VALID] without a first command there is no first status", () => {
  const core = new CoreDevice();
  core.script = { generate_first_command: -1 };
  assert.deepEqual(core.status("a"), ["dropped status module_failed"]);
  assert.equal(core.state.aggregate, null);
  core.script = {};
  assert.deepEqual(core.status("b"), ["answer <default for b at b>", "report first b"]);
});

Deno.test("[HANDLER-AGGREGATE] what is worth it is reported; everything becomes the current status", () => {
  const core = known();
  assert.deepEqual(core.status("b"), [
    "answer <<default for a at a> for b at a+b>",
    "report condition a+b",
  ]);
  assert.deepEqual(core.called(), [
    "status_data_valid",
    "send_status_condition",
    "aggregate_status",
    "generate_command",
  ]);
  core.script = { send_status_condition: -11, generate_command: "go" };
  assert.deepEqual(core.status("c"), ["answer go"]);
  core.script = { send_status_condition: 77, generate_command: "go", aggregate_status: -1 };
  assert.deepEqual(core.status("d"), ["failed aggregate_status() returned -1", "answer go"]);
  assert.deepEqual(core.take({ type: "force" }), ["report forced a+b+c"]);
  core.script = { send_status_condition: new Error("crashed"), generate_command: "go" };
  assert.deepEqual(core.status("e"), [
    "failed send_status_condition() failed: crashed",
    "answer go",
  ]);
  assert.deepEqual(core.take({ type: "force" }), ["report forced a+b+c+e"]);
});

Deno.test("[HANDLER-ANSWER] the oldest command that waits is used, and then the one made last", () => {
  const core = known();
  core.script = { send_status_condition: -1 };
  assert.deepEqual([core.command("x"), core.command("y")], [[], []]);
  assert.deepEqual(core.status("b"), ["answer <x for b at a+b>"]);
  assert.deepEqual(core.status("c"), ["answer <y for c at a+b+c>"]);
  assert.deepEqual(core.status("d"), ["answer <<y for c at a+b+c> for d at a+b+c+d>"]);
});

Deno.test("[HANDLER-ANSWER] a command that cannot be made leaves an empty answer", () => {
  const core = known();
  core.script = { generate_command: -1, send_status_condition: -1 };
  core.command("x");
  assert.deepEqual(core.status("b"), ["failed generate_command() returned -1", "answer "]);
  core.script = { send_status_condition: -1 };
  assert.deepEqual(core.status("c"), ["answer <x for c at a+b+c>"], "it is the default now");
});

Deno.test("[HANDLER-COMMAND] what no device can do is dropped", () => {
  const core = new CoreDevice();
  core.connect();
  assert.deepEqual(core.command("x"), ["dropped command device_unknown"]);
  core.status("a");
  assert.deepEqual(core.command(""), ["dropped command command_empty"]);
  core.script = { command_data_valid: -1 };
  assert.deepEqual(core.command("x"), ["dropped command command_invalid"]);
  core.script = { command_data_valid: new Error("crashed") };
  assert.deepEqual(core.command("x"), ["dropped command module_failed"]);
  assert.deepEqual(core.state.aggregate?.commands, []);
});

Deno.test("[HANDLER-COMMAND-QUEUE] three commands wait, and the oldest makes room", () => {
  const core = known();
  const said = ["1", "2", "3", "4"].map((data) => core.command(data));
  assert.deepEqual(said, [[], [], [], ["dropped command command_queue_full"]]);
  assert.deepEqual(core.state.aggregate?.commands, ["2", "3", "4"].map(bytes));
});

Deno.test("[HANDLER-FORWARD] a type that forwards gets its commands at once, and empty answers", () => {
  const core = new CoreDevice();
  core.script = { forward_command_on_receive: 0, send_status_condition: -1 };
  assert.deepEqual(core.status("a"), ["answer ", "report first a"]);
  assert.deepEqual(core.command("x"), ["push <x for a at a>"]);
  assert.deepEqual(core.status("b"), ["answer "]);
  core.script = { ...core.script, generate_command: -1 };
  assert.deepEqual(core.command("y"), ["failed generate_command() returned -1"]);
});

Deno.test("[HANDLER-FORWARD] a module that could not say so is asked again with the next command", () => {
  const core = new CoreDevice();
  core.script = { forward_command_on_receive: new Error("crashed") };
  assert.deepEqual(core.status("a"), [
    "failed forward_command_on_receive() failed: crashed",
    "answer <default for a at a>",
    "report first a",
  ]);
  core.script = { forward_command_on_receive: 0 };
  assert.deepEqual(core.command("x"), ["push <x for a at a>"]);
});

Deno.test("[HANDLER-REPORT] a device that was not reported for 15 s is, counted from its last report", () => {
  const core = known();
  core.script = { send_status_condition: -1, generate_command: "go" };
  assert.deepEqual(core.pass(14_000), []);
  core.status("b");
  assert.deepEqual(core.pass(999), []);
  assert.deepEqual(core.pass(1), ["report timer a+b"]);
  core.pass(10_000);
  core.script = { generate_command: "go" };
  assert.deepEqual(core.status("c"), ["answer go", "report condition a+b+c"]);
  assert.deepEqual(core.take({ type: "force" }), ["report forced a+b+c"]);
  assert.deepEqual(core.pass(14_999), []);
  assert.deepEqual(core.pass(1), ["report timer a+b+c"]);
});

Deno.test("[HANDLER-DEAD] a device that has said nothing for two reports is dead", () => {
  const core = known();
  assert.deepEqual(core.pass(29_999), ["report timer a"]);
  assert.deepEqual(core.pass(1), ["report timer a", "dead"]);
  assert.deepEqual(core.disconnect(), ["report disconnected a"]);
  assert.deepEqual(core.pass(100_000), []);
});

Deno.test("[HANDLER-DEAD] any status shows that a device lives, also one that waits for its module", () => {
  const core = known();
  core.script = { send_status_condition: -1, generate_command: "go" };
  core.pass(20_000);
  core.status("b");
  assert.deepEqual(core.pass(20_000), ["report timer a+b"]);
  core.answers = false;
  core.status("c");
  assert.deepEqual(
    core.pass(20_000),
    ["report timer a+b", "report timer a+b"],
    "not dead: it is its module that is slow",
  );
});

Deno.test("[HANDLER-DISCONNECT] a device that goes is reported once more, and nothing of it stays", () => {
  const core = known();
  core.script = { send_status_condition: -1, generate_command: "go" };
  core.status("b");
  core.command("x");
  assert.deepEqual(core.disconnect(), ["report disconnected a+b", "dropped command device_gone"]);
  assert.deepEqual(core.disconnect(), []);
  assert.equal(core.state.aggregate, null);
  core.script = {};
  assert.deepEqual(core.status("c"), ["answer <default for c at c>", "report first c"]);
});

Deno.test("[HANDLER-FORCE] a device without a status has none to be asked for", () => {
  const core = new CoreDevice();
  core.connect();
  assert.deepEqual(core.take({ type: "force" }), []);
});

Deno.test("[HANDLER-ORDER] while its module is slow, what a device wants waits in order", () => {
  const core = known();
  core.answers = false;
  assert.deepEqual([core.status("b"), core.command("x"), core.status("c"), core.disconnect()], [
    [],
    [],
    [],
    [],
  ]);
  core.answers = true;
  assert.deepEqual(core.answer(), [
    "answer <<default for a at a> for b at a+b>",
    "report condition a+b",
    "answer <x for c at a+b+c>",
    "report condition a+b+c",
    "report disconnected a+b+c",
  ]);
});

Deno.test("[HANDLER-ORDER] what waits is bounded in number and bytes; the oldest makes room", () => {
  const core = known({ maxJobs: 3, maxJobBytes: 8 });
  core.answers = false;
  assert.deepEqual(
    [core.status("b"), core.status("1"), core.status("2"), core.status("3")].flat(),
    [],
  );
  assert.deepEqual(core.status("4"), ["dropped status queue_full"]);
  const waiting = core.state.jobs.map((job) => "data" in job ? text(job.data) : job.kind);
  assert.deepEqual(waiting, ["2", "3", "4"]);
  assert.deepEqual(core.disconnect(), ["dropped status queue_full"]);
  assert.deepEqual(core.disconnect(), [], "twice is once");
  assert.deepEqual(core.connect(), ["dropped status queue_full"]);
  assert.deepEqual(core.status("12345678"), ["dropped status queue_full"]);
  assert.deepEqual(core.state.jobs.map(({ kind }) => kind), ["disconnect", "connect", "status"]);
  assert.deepEqual(core.status("9"), [
    "dropped connect queue_full",
    "dropped status queue_full",
  ]);
  assert.equal(core.state.jobBytes, 1);
});

Deno.test("a module that answers late, or twice, changes nothing", () => {
  const core = known();
  core.answers = false;
  core.status("b");
  const { state } = core;
  const outcome = { code: -1, data: bytes("") };
  assert.deepEqual(core.take({ type: "returned", id: 1, outcome }), []);
  assert.equal(core.state, state);
});
