// A segment as a file that is being written.

/** What is asked of a file; a position is kept at its end. */
export interface SegmentFile {
  write(bytes: Uint8Array): Promise<number>;
  /** Resolves when what was written survives a loss of power. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): void;
}

/** The segment that is being written. */
export interface OpenSegment {
  /** Counted from the start of the log. */
  readonly segment: number;
  /** The number in its name. */
  readonly number: number;
  readonly path: string;
  readonly file: SegmentFile;
  /** In bytes, up to the last record that was written whole. */
  size: number;
  /** Whether it has a record besides its head. */
  isUsed: boolean;
}

/** Makes one that only its owner can read: payloads are private. */
export async function createSegment(path: string): Promise<SegmentFile> {
  const file = await Deno.open(path, { append: true, createNew: true, mode: 0o600 });
  return {
    write: (bytes) => file.write(bytes),
    sync: () => file.syncData(),
    truncate: (bytes) => file.truncate(bytes),
    close: () => file.close(),
  };
}

/** Whether a write failed because the disk, or the quota, is used up. */
export function isFull(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return code === "ENOSPC" || code === "EDQUOT" ||
    /os error (28|122)\b/.test(typeof message === "string" ? message : "");
}
