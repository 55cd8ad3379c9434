// The functions of the C library that a module host needs itself.

const SYMBOLS = {
  prctl: {
    parameters: [
      "i32", // int option
      "usize", // unsigned long argument
    ],
    result: "i32",
  },
  getppid: { parameters: [], result: "i32" },
  setpgid: {
    parameters: [
      "i32", // pid_t process, 0: this one
      "i32", // pid_t group, 0: one that it leads
    ],
    result: "i32",
  },
  ioctl: {
    parameters: [
      "i32", // int descriptor
      "usize", // unsigned long request
    ],
    result: "i32",
  },
  fcntl: {
    parameters: [
      "i32", // int descriptor
      "i32", // int command
      "isize", // long argument
    ],
    result: "i32",
  },
  open: {
    parameters: [
      "buffer", // const char *path
      "i32", // int flags
    ],
    result: "i32",
  },
  dup2: {
    parameters: [
      "i32", // int from
      "i32", // int to
    ],
    result: "i32",
  },
  read: {
    parameters: [
      "i32", // int descriptor
      "buffer", // void *bytes
      "usize", // size_t size
    ],
    result: "isize",
  },
  write: {
    parameters: [
      "i32", // int descriptor
      "buffer", // const void *bytes
      "usize", // size_t size
    ],
    result: "isize",
  },
  close: {
    parameters: [
      "i32", // int descriptor
    ],
    result: "i32",
  },
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
const STDIN = 0;
const O_RDONLY = 0;
const O_NOCTTY = 0o400;
const TIOCNOTTY = 0x5422n;
const O_RDWR = 2;
const O_ASYNC = 0o20000;
const F_GETFL = 3;
const F_SETFL = 4;
const F_SETOWN = 8;
const F_SETSIG = 10;
const F_DUPFD_CLOEXEC = 1030;

/** Lower descriptors are standard streams, which libraries close as daemons do. */
const FIRST_DESCRIPTOR = 3n;
/** Added to the process when the kernel chooses a victim: thousandths of the machine's memory. */
const OOM_SCORE = 500;
const MAX_OOM_SCORE = 1000;

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** Services of the operating system for the host. */
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

  /**
   * Makes this process the leader of its own process group, without a terminal: signals that a
   * library sends to its group do not reach the server, and what the library has forked can be ended
   * together with this process.
   *
   * A session of its own would do the same, but Linux shares the cores out among sessions
   * (`sched_autogroup`), and a server with its hosts has to be one: docs/benchmark.md.
   */
  leadGroup(): void {
    const { setpgid, open, ioctl, close } = this.#symbols;
    setpgid(0, 0);
    const terminal = open(cString("/dev/tty"), O_RDWR | O_NOCTTY);
    if (terminal < 0) return;
    ioctl(terminal, TIOCNOTTY);
    close(terminal);
  }

  /**
   * Has the kernel kill the whole process group, this process included and even if it is stopped,
   * when the other end of the pipe on standard input closes. Libraries get an empty standard input.
   *
   * Any data on the pipe has the same effect.
   */
  endGroupWithPipe(): void {
    const { fcntl, open, dup2, close } = this.#symbols;
    const pipe = fcntl(STDIN, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (pipe < 0) return;
    fcntl(pipe, F_SETOWN, BigInt(-Deno.pid));
    fcntl(pipe, F_SETSIG, SIGKILL);
    fcntl(pipe, F_SETFL, BigInt(fcntl(pipe, F_GETFL, 0n) | O_ASYNC));
    const empty = open(cString("/dev/null"), O_RDONLY);
    dup2(empty, STDIN);
    close(empty);
  }

  /** Has the kernel, when memory runs out, end this process rather than the server. */
  volunteerForOomKill(): void {
    const { open, read, write, close } = this.#symbols;
    const file = open(cString("/proc/self/oom_score_adj"), O_RDWR);
    const bytes = new Uint8Array(16);
    const count = Number(read(file, bytes, BigInt(bytes.length)));
    const inherited = Number(new TextDecoder().decode(bytes.subarray(0, Math.max(0, count))));
    // Without privileges the score can only be raised.
    const text = new TextEncoder().encode(String(Math.min(MAX_OOM_SCORE, inherited + OOM_SCORE)));
    write(file, text, BigInt(text.length));
    close(file);
  }

  /** Sets line buffering for libraries' `printf`: on a pipe, C buffers whole pages. */
  bufferLines(): void {
    const variable = this.#symbols.stdout;
    if (variable === null) return;
    this.#symbols.setvbuf(new Deno.UnsafePointerView(variable).getPointer(), null, IOLBF, 0n);
  }

  /** Returns unused pages of the C library's heap to the operating system. */
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
