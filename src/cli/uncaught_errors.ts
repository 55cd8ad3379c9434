// Uncaught errors.

/**
 * Keeps the process alive through uncaught errors, and reports them.
 *
 * Each is a defect, but the process serves hundreds of cars, and the error concerns one of them.
 */
export function reportUncaught(report: (text: string) => void): void {
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(`Defect, unhandled rejection: ${stackOf(event.reason)}`);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    report(`Defect, uncaught error: ${stackOf(event.error)}`);
  });
}

/** The stack, if there is one. */
export function stackOf(reason: unknown): string {
  return reason instanceof Error ? reason.stack ?? reason.message : String(reason);
}
