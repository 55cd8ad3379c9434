// The few functions of the C library a module host needs for itself.

const SYMBOLS = {
  prctl: {
    parameters: [
      "i32", // int option
      "usize", // unsigned long argument
    ],
    result: "i32",
  },
  getppid: { parameters: [], result: "i32" },
  setvbuf: {
    parameters: [
      "pointer", // FILE *stream
      "pointer", // char *buffer
      "i32", // int mode
      "usize", // size_t size
    ],
    result: "i32",
  },
  stdout: { type: "pointer" }, // FILE **: the address of the variable
  malloc_trim: {
    parameters: [
      "usize", // size_t pad
    ],
    result: "i32",
  },
  _exit: {
    parameters: [
      "i32", // int status
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9n;
const IOLBF = 1;

/** What the host asks of the operating system. */
export class LibC {
  readonly #handle = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #symbols = this.#handle.symbols;

  /**
   * Has the kernel kill this process when its parent dies, even when every thread hangs.
   *
   * Returns false when the parent has died already.
   */
  dieWithParent(parentPid: number): boolean {
    this.#symbols.prctl(PR_SET_PDEATHSIG, SIGKILL);
    return this.#symbols.getppid() === parentPid;
  }

  /** Lets libraries' `printf` come out line by line: C holds back whole pages on a pipe. */
  bufferLines(): void {
    const variable = this.#symbols.stdout;
    if (variable === null) return;
    this.#symbols.setvbuf(new Deno.UnsafePointerView(variable).getPointer(), null, IOLBF, 0n);
  }

  /** Gives pages of the C library's heap in which nothing is used back to the operating system. */
  trimHeap(): void {
    this.#symbols.malloc_trim(0n);
  }

  /**
   * Ends the process at once. `exit` would run the libraries' destructors while their own threads
   * still run.
   */
  exitNow(status: number): void {
    this.#symbols._exit(status);
  }
}
