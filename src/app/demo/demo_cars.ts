// What drives the cars of a demo.

/** How it went, for the summary. */
export interface CarsSummary {
  readonly answered: number;
  readonly unanswered: number;
  readonly slowestMs: number;
}

/** The cars of a demo: the whole chain, or simulated. */
export interface DemoCars {
  /** Sentences about them, a line each. */
  readonly introduction: readonly string[];
  readonly summary: CarsSummary;
  start(): Promise<void>;
  /** Ends them in order. Never rejects. */
  stop(): Promise<void>;
}
