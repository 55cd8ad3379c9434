// A sink that writes files of Parquet, one for each batch. Such a file is readable only with its end, so
// it gets its name when it is whole and synced: until then the cursor stays before it.
import { join } from "node:path";
import {
  ByteWriter,
  type ColumnSource,
  ParquetWriter,
  schemaFromColumnData,
} from "hyparquet-writer";
import { deleteOldFiles, fileName, fileNumbers } from "./event_files.ts";
import type { Sink, SinkBatch, SinkMessage } from "./sink.ts";

export interface ParquetSinkOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Files that are kept; 0: all. */
  readonly keep: number;
}

const EXTENSION = "parquet";
/** Rows that are encoded in one turn of the event loop: some 10 ms. */
const GROUP_ROWS = 2000;

/** A batch is taken when its file has its name. */
export class ParquetSink implements Sink {
  readonly #options: ParquetSinkOptions;

  constructor(options: ParquetSinkOptions) {
    this.#options = options;
  }

  get target(): string {
    return this.#options.directory;
  }

  async deliver({ messages }: SinkBatch): Promise<void> {
    const { directory, keep } = this.#options;
    await Deno.mkdir(directory, { recursive: true });
    const number = ((await fileNumbers(directory, EXTENSION)).at(-1) ?? 0) + 1;
    const path = join(directory, fileName(number, EXTENSION));
    // A crash leaves this file, and the next batch replaces it.
    const part = `${path}.part`;
    {
      using file = await Deno.open(part, {
        write: true,
        create: true,
        truncate: true,
        mode: 0o600,
      });
      await writeParquet(file, messages);
      await file.sync();
    }
    await Deno.rename(part, path);
    // The name is on the disk only when the directory is.
    using folder = await Deno.open(directory);
    await folder.sync();
    if (keep > 0) await deleteOldFiles(directory, EXTENSION, number - keep);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A writer of hyparquet that hands on what it has after each group of rows. */
class FileWriter extends ByteWriter {
  readonly #file: Deno.FsFile;

  constructor(file: Deno.FsFile) {
    super();
    this.#file = file;
  }

  async flush(): Promise<void> {
    const bytes = this.getBytes();
    for (let written = 0; written < bytes.length;) {
      written += await this.#file.write(bytes.subarray(written));
    }
    this.index = 0;
  }

  override async finish(): Promise<void> {
    await this.flush();
  }
}

async function writeParquet(file: Deno.FsFile, messages: readonly SinkMessage[]): Promise<void> {
  const writer = new ParquetWriter({
    writer: new FileWriter(file),
    schema: schemaFromColumnData({ columnData: columnsOf([]) }),
  });
  for (let from = 0; from < messages.length; from += GROUP_ROWS) {
    const rows = messages.slice(from, from + GROUP_ROWS);
    await writer.write({ columnData: columnsOf(rows), rowGroupSize: GROUP_ROWS });
  }
  await writer.finish();
}

function columnsOf(messages: readonly SinkMessage[]): ColumnSource[] {
  const column = (
    name: string,
    type: NonNullable<ColumnSource["type"]>,
    value: (message: SinkMessage) => unknown,
    nullable = true,
  ): ColumnSource => ({ name, type, nullable, data: messages.map(value) });
  return [
    column("id", "STRING", ({ event }) => event.id, false),
    column("at", "TIMESTAMP", ({ event }) => new Date(event.at), false),
    column("car", "STRING", ({ event }) => event.car),
    column("session", "STRING", ({ event }) => event.session),
    column("module", "INT32", ({ event }) => event.device?.module ?? null),
    column("device_type", "INT32", ({ event }) => event.device?.deviceType ?? null),
    column("device_role", "STRING", ({ event }) => event.device?.deviceRole ?? null),
    column("device_name", "STRING", ({ event }) => event.device?.deviceName ?? null),
    column(
      "counter",
      "INT64",
      ({ event: { counter } }) => counter === null ? null : BigInt(counter),
    ),
    column("kind", "STRING", ({ event }) => event.kind, false),
    column("data", "STRING", ({ event }) => JSON.stringify(event.data), false),
    column("payload", "BYTE_ARRAY", ({ event }) => event.payload),
    column("body", "STRING", ({ body, isMade }) => isMade ? body : null),
  ];
}
