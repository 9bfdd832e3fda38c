/** Names of settings that were probably meant for others: a misspelled variable is silent otherwise. */

/** A shorter name is near to too many others: only one slip, and not in its first letter. */
const LONG_NAME = 8;

/**
 * The known name that `name`, which is none, is a near miss of: written in other letters, with the name of the program in
 * front, or with a slip or two. The nearest of several.
 */
export function nearMiss(name: string, known: readonly string[]): string | undefined {
  const plain = plainForm(name);
  const near = known.flatMap((each) => {
    const other = plainForm(each);
    const slips = distance(plain, other);
    const isNear = other.length < LONG_NAME ? slips <= 1 && plain[0] === other[0] : slips <= 2;
    return isNear ? [{ each, slips }] : [];
  });
  return near.sort((a, b) => a.slips - b.slips)[0]?.each;
}

function plainForm(name: string): string {
  return name
    .toUpperCase()
    .replace(/^SEESR[_.-]?(?:CLOUD[_.-]?)?/, '')
    .replaceAll(/[_.-]/g, '');
}

/** Of letters that are put in, left out or replaced (Levenshtein), or change places with their neighbor. */
function distance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return Number.POSITIVE_INFINITY;
  let [before, row]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwap ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, replaced, swapped));
    }
    [before, row] = [row, next];
  }
  return row[to.length]!;
}
