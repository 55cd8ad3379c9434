// A persistent first-in, first-out queue: adding and taking leave the old queue as it was, in
// constant time on average, so that session state can hold long queues and stay immutable.

interface Cell<T> {
  readonly value: T;
  readonly next: Cell<T> | null;
}

/** An immutable queue; start from {@linkcode emptyQueue}. */
export interface Queue<T> {
  readonly size: number;
  /** Oldest first. */
  readonly front: Cell<T> | null;
  /** Newest first; turned around when the front is used up. */
  readonly back: Cell<T> | null;
}

const EMPTY: Queue<never> = { size: 0, front: null, back: null };

/** The queue with nothing in it. */
export function emptyQueue<T>(): Queue<T> {
  return EMPTY;
}

/** The queue with `value` behind all others. */
export function enqueue<T>(queue: Queue<T>, value: T): Queue<T> {
  if (queue.size === 0) return { size: 1, front: { value, next: null }, back: null };
  return { size: queue.size + 1, front: queue.front, back: { value, next: queue.back } };
}

/** The oldest value and the queue without it, or `null` when there is none. */
export function dequeue<T>(queue: Queue<T>): readonly [value: T, rest: Queue<T>] | null {
  const { front, back, size } = queue;
  if (front === null) return null;
  if (size === 1) return [front.value, EMPTY];
  const rest = front.next === null
    ? { size: size - 1, front: reversed(back), back: null }
    : { size: size - 1, front: front.next, back };
  return [front.value, rest];
}

/** All values, oldest first. */
export function* values<T>(queue: Queue<T>): Generator<T> {
  for (let cell = queue.front; cell !== null; cell = cell.next) yield cell.value;
  for (let cell = reversed(queue.back); cell !== null; cell = cell.next) yield cell.value;
}

/** A queue of the given values, the first one being the oldest. */
export function queueOf<T>(items: Iterable<T>): Queue<T> {
  let queue = emptyQueue<T>();
  for (const item of items) queue = enqueue(queue, item);
  return queue;
}

function reversed<T>(cell: Cell<T> | null): Cell<T> | null {
  let result: Cell<T> | null = null;
  for (let at = cell; at !== null; at = at.next) result = { value: at.value, next: result };
  return result;
}
