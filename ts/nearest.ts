// "Did you mean": the known word that a misspelt one is most like.

/** `did you mean "x"? `, to be followed by what else is to be said; empty where nothing is like it. */
export function didYouMean(given: string, known: readonly string[]): string {
  const nearest = nearestOf(given, known);
  return nearest === undefined ? "" : `did you mean "${nearest}"? `;
}

/** The known word that takes the fewest edits to reach, a third of its letters at most. */
export function nearestOf(given: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  // The distance takes time of the product of both lengths.
  const word = given.slice(0, 100).toLowerCase();
  for (const candidate of known) {
    const edits = distance(word, candidate.slice(0, 100).toLowerCase());
    if (edits < fewest && edits <= Math.max(1, Math.floor(candidate.length / 3))) [best, fewest] = [candidate, edits];
  }
  return best;
}

/** Letters to insert, remove, replace, or swap with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
