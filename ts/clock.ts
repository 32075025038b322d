// The system's clock, by which the engine judges times. Taken when the package is loaded: a `Date` that a test replaces
// later changes neither the times that records get nor what is refused.

/** The time in ms since 1970. */
export const systemTime: () => number = Date.now;
