// Recordings of cars that live without a broker, and disks that fail.
import { Recorder, type RecorderOptions } from "../../src/record/recorder.ts";
import { segmentNumbers } from "../../src/record/segment_files.ts";
import { createSegment, type SegmentFile } from "../../src/record/segment_file.ts";
import type { Turn } from "../../src/car/turn.ts";
import { CarFixture, type CarFixtureOptions } from "../car/car_fixture.ts";
import { FRONT } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** A recorder with a folder of its own, and every turn that it got. */
export class Recording implements AsyncDisposable {
  readonly log = new ListLog();
  readonly clock = new VirtualClock();
  readonly turns: Turn[] = [];
  readonly recorder: Recorder;
  readonly #folder: TempFolder;

  private constructor(folder: TempFolder, options: Partial<RecorderOptions>) {
    this.#folder = folder;
    const { directory, log, clock } = this;
    this.recorder = new Recorder({ directory, company: "acme", log, clock, ...options });
  }

  static async make(options: Partial<RecorderOptions> = {}): Promise<Recording> {
    return new Recording(await TempFolder.make(), options);
  }

  get directory(): string {
    return this.#folder.file("recording");
  }

  /** A recorded car in normal communication. */
  car(options: CarFixtureOptions = {}): Promise<CarFixture> {
    const looksOn = { onTurn: (turn: Turn) => void this.turns.push(turn) };
    const subscribers = [this.recorder, looksOn];
    return new CarFixture({ ...options, subscribers }).up().run([FRONT]);
  }

  segments(): Promise<number[]> {
    return segmentNumbers(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A disk that a test fills, stalls and counts. */
export class Disk {
  /** Writes that have ended. */
  writes = 0;
  /** How often it was told to write what it holds. */
  syncs = 0;
  /** Whether writing fails, as the kernel says it of a disk that is full. */
  full = false;
  /** So many writes find it full, then none does. */
  fullFor = 0;
  /** Writes wait for it. */
  ready: Promise<void> = Promise.resolve();

  create = async (path: string): Promise<SegmentFile> => {
    const file = await createSegment(path);
    const full = await Deno.open("/dev/full", { write: true });
    return {
      write: async (bytes) => {
        await this.ready;
        const written = await (this.full || this.fullFor-- > 0 ? full : file).write(bytes);
        this.writes++;
        return written;
      },
      sync: () => {
        this.syncs++;
        return file.sync();
      },
      truncate: (bytes) => file.truncate(bytes),
      close: () => {
        file.close();
        full.close();
      },
    };
  };
}
