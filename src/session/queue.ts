// An immutable first-in, first-out queue in constant time: a window of an array. Adding appends to
// the array, which older queues do not see, as their windows end earlier.

/** A queue; start from {@linkcode emptyQueue}. */
export interface Queue<T> {
  /** The queue's values are those from `first` up to `first + size`. */
  readonly items: readonly T[];
  readonly first: number;
  readonly size: number;
}

/** Values that may have left before the array is copied without them. */
const MAX_LEFT = 32;

/** The empty queue. */
export function emptyQueue<T>(): Queue<T> {
  return { items: [], first: 0, size: 0 };
}

/** The queue with `value` behind all others. */
export function enqueue<T>(queue: Queue<T>, value: T): Queue<T> {
  const { items, first, size } = queue;
  // Most queues are empty most of the time, and an array that grows is larger than it need be.
  if (size === 0) return { items: [value], first: 0, size: 1 };
  // Another queue may have appended to the same array, or it may be frozen.
  const isLast = items.length === first + size && Object.isExtensible(items);
  const own = isLast ? items as T[] : values(queue);
  own.push(value);
  return { items: own, first: own === items ? first : 0, size: size + 1 };
}

/** The oldest value and the queue without it, or `null` when there is none. */
export function dequeue<T>(queue: Queue<T>): readonly [value: T, rest: Queue<T>] | null {
  const { items, first, size } = queue;
  if (size === 0) return null;
  const value = items[first] as T;
  if (size === 1) return [value, emptyQueue()];
  const rest = { items, first: first + 1, size: size - 1 };
  const isMostlyLeft = rest.first >= MAX_LEFT && rest.first >= rest.size;
  return [value, isMostlyLeft ? queueOf(values(rest)) : rest];
}

/** All values, oldest first. */
export function values<T>({ items, first, size }: Queue<T>): T[] {
  return items.slice(first, first + size);
}

/** A queue of the given values, the first one being the oldest. */
export function queueOf<T>(items: readonly T[]): Queue<T> {
  return { items: [...items], first: 0, size: items.length };
}
