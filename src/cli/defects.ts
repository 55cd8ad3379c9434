// Errors that nobody caught.

/**
 * Keeps the process alive through errors that nobody caught, and says them loudly.
 *
 * Each is a defect, but hundreds of cars are served here, and what failed concerns one of them.
 */
export function reportDefects(report: (text: string) => void): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(`Defect, a promise failed and nobody cared: ${describeDefect(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    report(`Defect, an error was not caught: ${describeDefect(event.error)}`);
  });
}

/** The stack where there is one. */
export function describeDefect(reason: unknown): string {
  return reason instanceof Error ? reason.stack ?? reason.message : String(reason);
}
