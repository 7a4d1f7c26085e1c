// What a live tail holds: the newest lines, those that wait while the reader looks at something, and how many are in neither.
export const RING_LINES = 5000;

export class Ring<T> {
  lines: T[] = [];
  waiting: T[] = [];
  dropped = 0; // older lines that made room
  shed = 0;    // lines that the server did not send
  isPaused = false;

  constructor(readonly size = RING_LINES) {}

  add(lines: readonly T[]): void {
    const into = this.isPaused ? this.waiting : this.lines;
    for (const line of lines) into.push(line);
    const over = into.length - this.size;
    if (over > 0) {
      into.splice(0, over);
      this.dropped += over;
    }
  }

  pause(): void { this.isPaused = true; }

  resume(): void {
    this.isPaused = false;
    const waiting = this.waiting;
    this.waiting = [];
    this.add(waiting);
  }

  clear(): void {
    this.lines = [];
    this.waiting = [];
    this.dropped = this.shed = 0;
  }
}
