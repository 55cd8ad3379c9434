// A device and data as frames carry them: what calls and commands are about. There is no priority,
// as modules always see 0 [DEVICE-PRIORITY].
//
//   i32 module | u32 type | u32 bytes of the role | u32 bytes of the name | role | name | data
import type { Device } from "../../protocol/mod.ts";
import { FrameError } from "../errors.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What comes before the role. */
export const DEVICE_HEAD_BYTES = 16;

const decoder = new TextDecoder();
const NO_BYTES: Bytes = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** A device and data in bytes that another object owns; decoded only on request. */
export class DeviceData {
  bytes = NO_BYTES;
  view: DataView = NO_VIEW;
  /** Where everything is in the bytes; each part ends where the next one starts. */
  start = 0;
  roleStart = 0;
  nameStart = 0;
  dataStart = 0;
  end = 0;

  /**
   * Reads what stands from `start` to `end`.
   *
   * @throws {FrameError} when that is shorter than it says.
   */
  read(bytes: Bytes, view: DataView, start: number, end: number): this {
    const roleStart = start + DEVICE_HEAD_BYTES;
    if (roleStart > end) throw tooShort(start, end);
    const nameStart = roleStart + view.getUint32(start + 8, true);
    const dataStart = nameStart + view.getUint32(start + 12, true);
    if (dataStart > end) throw tooShort(start, end);
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.roleStart = roleStart;
    this.nameStart = nameStart;
    this.dataStart = dataStart;
    this.end = end;
    return this;
  }

  /** The same in bytes of its own. */
  copy(): DeviceData {
    const bytes = this.bytes.slice(this.start, this.end);
    return new DeviceData().read(bytes, new DataView(bytes.buffer), 0, bytes.length);
  }

  get module(): number {
    return this.view.getInt32(this.start, true);
  }

  get deviceType(): number {
    return this.view.getUint32(this.start + 4, true);
  }

  /** What a device is known by [DEVICE-IDENTITY]. */
  get key(): string {
    return `${this.module}/${this.deviceType}/${this.#text(this.roleStart, this.nameStart)}`;
  }

  /** The device; strings that are not UTF-8 have replacement characters. */
  get device(): Device {
    return {
      module: this.module,
      deviceType: this.deviceType,
      deviceRole: this.#text(this.roleStart, this.nameStart),
      deviceName: this.#text(this.nameStart, this.dataStart),
      priority: 0,
    };
  }

  /** A copy of the data. */
  get data(): Bytes {
    return this.bytes.slice(this.dataStart, this.end);
  }

  #text(start: number, end: number): string {
    return decoder.decode(this.bytes.subarray(start, end));
  }
}

function tooShort(start: number, end: number): FrameError {
  return new FrameError(`Cannot read device from frame: payload has ${end - start} bytes`);
}
