// Whose line an error's stack begins with: that of the program that called, not one of this package.

/** Frames of this package are in files of this folder: as an address and as a path. Bundled code does not know it. */
const HERE = import.meta.url ? new URL(".", import.meta.url).href : undefined;
const FOLDER = HERE && decodeURIComponent(new URL(HERE).pathname);
/** What the package's own calls may take of the frames that are recorded. */
const OWN_FRAMES = 20;

/** Makes room for the package's own frames in stacks that are recorded from now on; gives the limit to go back to. */
export function raiseStackLimit(): number {
  const limit = Error.stackTraceLimit;
  // Not to be set where intrinsics are frozen.
  if (limit > 0) Reflect.set(Error, "stackTraceLimit", limit + OWN_FRAMES);
  return limit;
}

/** Ends that. */
export function restoreStackLimit(limit: number): void {
  Reflect.set(Error, "stackTraceLimit", limit);
}

/** Has the stack of an error begin with the program's line. One without such a line stays as it is. */
export function leaveOwnFramesOut(error: Error): void {
  const stack: unknown = error.stack;
  if (typeof stack !== "string") return;
  const begin = beginOf(stack);
  const frames = stack.slice(begin).split("\n");
  const first = frames.findIndex((frame) => frame.startsWith("    at ") && !isOwn(frame) && !isInternal(frame));
  if (first < 0) return;
  const own = frames.slice(0, first);
  // What lies between may be the user's own code that was called back: only an unbroken run of ours goes.
  if (!own.some(isOwn)) return;
  set(error, stack.slice(0, begin) + frames.slice(first, first + Error.stackTraceLimit).join("\n"));
}

/** The place in the program that calls this package now, for an error that is made later. Costs some microseconds. */
export class CallSite {
  readonly #here: Error;

  constructor() {
    const limit = raiseStackLimit();
    this.#here = new Error();
    restoreStackLimit(limit);
  }

  /** Adds the place to an error that has no line of the program. */
  addTo<T>(error: T): T {
    if (!(error instanceof Error) || typeof error.stack !== "string") return error;
    const begin = beginOf(error.stack);
    const frames = error.stack.slice(begin).split("\n");
    if (frames.some((frame) => frame.startsWith("    at ") && !isOwn(frame) && !isInternal(frame))) return error;
    leaveOwnFramesOut(this.#here);
    const place = this.#here.stack ?? "";
    set(error, error.stack.slice(0, begin) + place.slice(beginOf(place)));
    return error;
  }
}

/** Has what a call is rejected with begin with the line of the program that calls now. */
export function rejectAt<T>(call: () => Promise<T>): Promise<T> {
  const site = new CallSite();
  return call().catch((error: unknown) => {
    throw site.addTo(error);
  });
}

/** Where the frames of a stack begin. */
function beginOf(stack: string): number {
  const at = stack.search(/^ {4}at /m);
  return at < 0 ? stack.length : at;
}

function isOwn(frame: string): boolean {
  return HERE !== undefined && FOLDER !== undefined && (frame.includes(HERE) || frame.includes(FOLDER));
}

/** Node's, or the engine's. */
function isInternal(frame: string): boolean {
  return frame.includes("node:internal/") || frame.includes("(<anonymous>)") || frame.includes("(native)");
}

function set(error: Error, stack: string): void {
  Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
}
