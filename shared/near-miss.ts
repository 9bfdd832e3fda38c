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
    if (other.length < LONG_NAME && plain[0] !== other[0]) return [];
    const slips = distance(plain, other, other.length < LONG_NAME ? 1 : 2);
    return slips === undefined ? [] : [{ each, slips }];
  });
  return near.sort((a, b) => a.slips - b.slips)[0]?.each;
}

function plainForm(name: string): string {
  return name
    .toUpperCase()
    .replace(/^SEESR[_.-]?(?:CLOUD[_.-]?)?/, '')
    .replaceAll(/[_.-]/g, '');
}

/**
 * Of letters that are put in, left out or replaced (Levenshtein), or change places with their neighbor. Undefined: more than
 * `most`.
 */
function distance(from: string, to: string, most: number): number | undefined {
  if (Math.abs(from.length - to.length) > most) return undefined;
  let [before, row]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, j) => j)];
  let [leastBefore, least] = [0, 0];
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    let leastNext = i;
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwap ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, replaced, swapped);
      leastNext = Math.min(leastNext, next[j]!);
    }
    [before, row] = [row, next];
    [leastBefore, least] = [least, leastNext];
    // Nothing below comes from fewer. A service looks at all variables at its start: most names differ at once.
    if (Math.min(leastBefore, least) > most) return undefined;
  }
  const slips = row[to.length]!;
  return slips <= most ? slips : undefined;
}
