// Carries out effects that call the module contexts of a car.
import type { ModuleContext } from "../module/mod.ts";
import { type CallOutcome, type Device, DisconnectType, wasMade } from "../protocol/mod.ts";
import type { Effect, Input } from "../session/mod.ts";

export type ModuleEffect = Extract<
  Effect,
  {
    type:
      | "forward"
      | "connect_device"
      | "disconnect_device"
      | "withdraw_calls"
      | "acknowledge"
      | "hold_commands"
      | "release_commands";
  }
>;

/** No module is ever told of it. */
const NO_DEVICE: Omit<Device, "module"> = {
  deviceType: 0xffff_ffff,
  deviceRole: "\u0000none",
  deviceName: "",
  priority: 0,
};

/** Calls the contexts of one car; missing contexts are skipped. */
export class ModuleCalls {
  readonly #take: (input: Input) => void;
  readonly #contexts = new Map<number, ModuleContext>();

  /** @param take gets the results of calls as inputs */
  constructor(take: (input: Input) => void) {
    this.#take = take;
  }

  /** Adds the context of a module. */
  attach(context: ModuleContext): void {
    this.#contexts.set(context.spec.module, context);
  }

  /** Removes the context of a module. */
  detach(module: number): void {
    this.#contexts.delete(module);
  }

  /** Removes all contexts. */
  detachAll(): void {
    this.#contexts.clear();
  }

  /** All modules keep their commands. Resolves when those that were popped before have come. */
  async holdCommands(): Promise<void> {
    await Promise.all([...this.#contexts.values()].map((context) => {
      context.holdCommands();
      // No module gets this call: it comes back in its turn, behind a command that is being popped.
      const device = { ...NO_DEVICE, module: context.spec.module };
      return new Promise<void>((resolve) =>
        context.disconnectDevice(DisconnectType.ANNOUNCED, device, () => resolve(), true)
      );
    }));
  }

  /** Carries out an effect. */
  perform(effect: ModuleEffect): void {
    switch (effect.type) {
      case "forward":
        return this.#forward(effect);
      case "connect_device":
        return this.#connectDevice(effect.epoch, effect.device);
      case "disconnect_device": {
        const { disconnect, device, ifConnected } = effect;
        return this.#contexts.get(device.module)?.disconnectDevice(
          disconnect,
          device,
          (outcome) => this.#watch("device_disconnected", device, outcome),
          ifConnected,
        );
      }
      case "withdraw_calls":
        for (const context of this.#contexts.values()) context.withdrawCalls();
        return;
      case "acknowledge": {
        const { module, command: { device, data } } = effect;
        return this.#contexts.get(module)?.acknowledgeCommand(
          device,
          data,
          (outcome) => this.#watch("command_ack", device, outcome),
        );
      }
      case "hold_commands":
        return this.#contexts.get(effect.module)?.holdCommands();
      case "release_commands":
        return this.#contexts.get(effect.module)?.releaseCommands();
    }
  }

  /** A call that could not be made has failed: the session must not wait for it. */
  giveUp(effect: Effect): void {
    if (effect.type === "forward") {
      this.#take({ type: "forwarded", epoch: effect.epoch, counter: effect.counter });
    } else if (effect.type === "connect_device") {
      const { epoch, device } = effect;
      this.#take({ type: "device_result", epoch, device, outcome: "not_ok" });
    }
  }

  #forward(effect: Effect & { type: "forward" }): void {
    const { epoch, counter, device, data, errorMessage, answered } = effect;
    const context = this.#contexts.get(device.module);
    if (context === undefined) return;
    const isAlone = errorMessage.length === 0;
    const onDone = (call: string, outcome: CallOutcome, isLast: boolean) => {
      if (outcome !== "ok") this.#watch(call, device, outcome);
      // A status that did not reach the module: the gateway keeps it, and the session ends.
      if (isLast && (outcome === "ok" || wasMade(outcome))) {
        this.#take({ type: "forwarded", epoch, counter });
      }
    };
    const onStatus = (outcome: CallOutcome) => onDone("forward_status", outcome, isAlone);
    context.forwardStatus(device, data, onStatus, answered);
    if (isAlone) return;
    const onError = (outcome: CallOutcome) => onDone("forward_error_message", outcome, true);
    context.forwardErrorMessage(device, errorMessage, onError, answered);
  }

  #connectDevice(epoch: number, device: Device): void {
    const finish = (outcome: CallOutcome) =>
      this.#take({ type: "device_result", epoch, device, outcome });
    const context = this.#contexts.get(device.module);
    if (context === undefined) finish("host_lost");
    else context.connectDevice(device, finish);
  }

  /** Reports what a module refused; the session goes on all the same [STATUS-FORWARD]. */
  #watch(call: string, device: Device, outcome: CallOutcome): void {
    if (outcome === "ok" || !wasMade(outcome)) return;
    this.#take({ type: "call_failed", call, device, outcome });
  }
}
