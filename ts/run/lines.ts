// Jobs, some of them at a time, and those of one key one after the other.

/** Something to do, in turn with others of its key; in any order if it has none. */
export interface Job {
  readonly key: string | undefined;
  /** What it holds of memory. */
  readonly bytes: number;
}

/** Jobs that are under way or wait for their turn. */
export class Lines<J extends Job> {
  readonly #most: number;
  readonly #work: (job: J) => Promise<void>;
  readonly #left: () => void;
  /** Those whose turn it is as far as their keys go. */
  #ready: J[] = [];
  /** By key, while one of it is ready or under way: those behind it. */
  readonly #behind = new Map<string, J[]>();
  #running = 0;
  #waiting = 0;
  #bytes = 0;

  /** `work` must not reject; `left` is told when one more is done. */
  constructor(most: number, work: (job: J) => Promise<void>, left: () => void) {
    this.#most = most;
    this.#work = work;
    this.#left = left;
  }

  /** Jobs that are not done. */
  get size(): number {
    return this.#running + this.#waiting;
  }

  /** What those that wait hold of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether as many as may are under way, or could be: those that wait do not all wait for a few keys. */
  get isBusy(): boolean {
    return this.#running + this.#ready.length >= this.#most;
  }

  add(job: J): void {
    this.#waiting += 1;
    this.#bytes += job.bytes;
    const behind = job.key === undefined ? undefined : this.#behind.get(job.key);
    if (behind !== undefined) {
      behind.push(job);
      return;
    }
    if (job.key !== undefined) this.#behind.set(job.key, []);
    this.#ready.push(job);
    this.#start();
  }

  /** Takes those out that have not begun, and gives them, those of one key in their order. */
  withdraw(which: (job: J) => boolean): J[] {
    const gone: J[] = [];
    const stays = (job: J) => {
      if (which(job)) gone.push(job);
      return gone.at(-1) !== job;
    };
    const ready = this.#ready;
    this.#ready = ready.filter(stays);
    for (const [key, jobs] of this.#behind) this.#behind.set(key, jobs.filter(stays));
    for (const job of ready) if (which(job)) this.#next(job);
    this.#waiting -= gone.length;
    for (const { bytes } of gone) this.#bytes -= bytes;
    this.#start();
    return gone;
  }

  #start(): void {
    while (this.#running < this.#most && this.#ready.length > 0) {
      const job = this.#ready.shift()!;
      this.#waiting -= 1;
      this.#bytes -= job.bytes;
      this.#running += 1;
      void this.#work(job).then(() => {
        this.#running -= 1;
        this.#next(job);
        this.#start();
        this.#left();
      });
    }
  }

  /** It is the turn of the one behind this. */
  #next({ key }: J): void {
    if (key === undefined) return;
    const next = this.#behind.get(key)?.shift();
    if (next === undefined) this.#behind.delete(key);
    else this.#ready.push(next);
  }
}
