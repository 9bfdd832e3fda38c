/** Every pixel's category, row after row; VOID where there is none. */
export type LabelMap = Int32Array;
export const VOID_LABEL = -1;

/** 0..1, null without a category. */
export interface MeanOverlap {
  miou: number | null;
  byCategory: Map<number, number>;
}

/**
 * Mean intersection over union (mIoU): of every category that occurs in the truth or in a prediction, over the pixels of all
 * pictures together. Pixels whose truth is void do not count; a prediction may be void, and is wrong then.
 */
export function createMeanOverlap() {
  const tallies = new Map<number, { truth: number; found: number; both: number }>();
  const tallyOf = (label: number) => {
    const known = tallies.get(label);
    if (known) return known;
    const tally = { truth: 0, found: 0, both: 0 };
    tallies.set(label, tally);
    return tally;
  };
  return {
    /** One picture; both have one size. */
    add(truth: LabelMap, prediction: LabelMap): void {
      for (let pixel = 0; pixel < truth.length; pixel++) {
        const [right, found] = [truth[pixel]!, prediction[pixel]!];
        if (right === VOID_LABEL) continue;
        tallyOf(right).truth++;
        if (found === VOID_LABEL) continue;
        tallyOf(found).found++;
        if (found === right) tallyOf(right).both++;
      }
    },
    result(): MeanOverlap {
      const sorted = [...tallies].sort(([a], [b]) => a - b);
      const byCategory = new Map(
        sorted.map(([label, { truth, found, both }]) => [label, both / (truth + found - both)]),
      );
      const values = [...byCategory.values()];
      return {
        miou: values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length,
        byCategory,
      };
    },
  };
}
