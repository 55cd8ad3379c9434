// What can go wrong while a library file is looked at.

/** A file is no ELF file, or one whose tables cannot be read; the message names it. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}
