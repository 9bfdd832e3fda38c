import { areaOf, type Box, boundsOf, overlapOf, type RunLengths } from './run-lengths.ts';

/** An object of the ground truth. A crowd is a region of many: a detection in it counts neither for nor against. */
export interface Truth {
  category: number;
  crowd: boolean;
  /** In pixels, as annotated: it decides whether the object is small, medium or large. */
  area: number;
  box: Box;
  mask?: RunLengths;
}

export interface Detection {
  category: number;
  score: number;
  box: Box;
  mask?: RunLengths;
}

/** 0..1; null where there is no object in the ground truth. */
export interface AveragePrecision {
  ap: number | null;
  ap50: number | null;
  ap75: number | null;
  small: number | null;
  medium: number | null;
  large: number | null;
  /** Mean over all thresholds, by category. */
  byCategory: Map<number, number | null>;
}

/** 0.5, 0.55, … 0.95, in the arithmetic of NumPy's linspace: comparisons of quotients depend on the last bit. */
const THRESHOLDS = Array.from({ length: 10 }, (_, index) => (index === 9 ? 0.95 : index * ((0.95 - 0.5) / 9) + 0.5));
const RECALLS = Array.from({ length: 101 }, (_, index) => index * 0.01);
const AREAS = { all: [0, 1e10], small: [0, 32 ** 2], medium: [32 ** 2, 96 ** 2], large: [96 ** 2, 1e10] } as const;
type AreaName = keyof typeof AREAS;
const AREA_NAMES = Object.keys(AREAS) as AreaName[];
/** Of one picture and category. */
const MAX_DETECTIONS = 100;

/** All detections of one category, for one range of areas, in the order of the pictures. */
interface Tally {
  truths: number;
  scores: number[];
  /** A bit for each threshold. */
  matched: number[];
  ignored: number[];
}

/**
 * COCO's average precision, as pycocotools computes it (COCOeval; Lin et al. 2014): per category, ten thresholds, 101
 * recalls, at most 100 detections a picture and category. Pictures must come in the order of their ids, which decides
 * between equal scores. The area of a detection is that of its box or mask, whichever is measured.
 */
export function createAveragePrecision(kind: 'box' | 'mask', categories: readonly number[]) {
  const empty = (): Tally => ({ truths: 0, scores: [], matched: [], ignored: [] });
  const tallies = new Map(categories.map((id) => [id, AREA_NAMES.map(empty)]));
  return {
    /** One picture. Categories must be those given above, masks be there where they are measured. */
    add(truths: readonly Truth[], detections: readonly Detection[]): void {
      const found = new Set([...truths, ...detections].map(({ category }) => category));
      for (const category of found) {
        const given = detections.filter((detection) => detection.category === category);
        const best = given.sort((a, b) => b.score - a.score).slice(0, MAX_DETECTIONS);
        const right = truths.filter((truth) => truth.category === category);
        const overlaps = kind === 'box' ? boxOverlaps(best, right) : maskOverlaps(best, right);
        const areas = best.map(({ box, mask }) => (kind === 'box' ? box[2] * box[3] : areaOf(mask!)));
        for (const [index, name] of AREA_NAMES.entries()) {
          addMatches(tallies.get(category)![index]!, AREAS[name], right, { overlaps, areas });
          tallies.get(category)![index]!.scores.push(...best.map(({ score }) => score));
        }
      }
    },
    result(): AveragePrecision {
      // [area][category][threshold], null for a category without objects of this area.
      const precisions = AREA_NAMES.map((_, area) => categories.map((id) => precisionsOf(tallies.get(id)![area]!)));
      const all = (area: AreaName) => mean(precisions[AREA_NAMES.indexOf(area)]!.flatMap((list) => list ?? []));
      const at = (threshold: number) => mean(precisions[0]!.flatMap((list) => list?.[threshold] ?? []));
      return {
        ap: all('all'),
        ap50: at(0),
        ap75: at(5),
        small: all('small'),
        medium: all('medium'),
        large: all('large'),
        byCategory: new Map(categories.map((id, index) => [id, mean(precisions[0]![index] ?? [])])),
      };
    },
  };
}

/** [detection][truth]: intersection over union, of a crowd over the detection alone. */
function boxOverlaps(detections: readonly Detection[], truths: readonly Truth[]): number[][] {
  return detections.map(({ box }) => truths.map((truth) => boxOverlap(box, truth.box, truth.crowd)));
}

function boxOverlap(one: Box, other: Box, crowd: boolean): number {
  const width = Math.min(one[2] + one[0], other[2] + other[0]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3] + one[1], other[3] + other[1]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  const area = one[2] * one[3];
  return shared / (crowd ? area : area + other[2] * other[3] - shared);
}

function maskOverlaps(detections: readonly Detection[], truths: readonly Truth[]): number[][] {
  const facts = (mask: RunLengths) => ({ mask, bounds: boundsOf(mask), area: areaOf(mask) });
  const right = truths.map(({ mask, crowd }) => ({ ...facts(mask!), crowd }));
  return detections.map((detection) => {
    const { mask, bounds, area } = facts(detection.mask!);
    return right.map((truth) => {
      if (boxOverlap(bounds, truth.bounds, false) === 0) return 0;
      const shared = overlapOf(mask, truth.mask);
      return shared === 0 ? 0 : shared / (truth.crowd ? area : area + truth.area - shared);
    });
  });
}

/** Gives every detection, best first, the free object that it covers best; `areas` are those of the detections. */
function addMatches(
  tally: Tally,
  [least, most]: readonly [number, number],
  given: readonly Truth[],
  { overlaps, areas }: { overlaps: number[][]; areas: number[] },
): void {
  const outside = (area: number) => area < least || area > most;
  const truths = given.map(({ crowd, area }, column) => ({ crowd, column, ignored: crowd || outside(area) }));
  truths.sort((a, b) => Number(a.ignored) - Number(b.ignored));
  tally.truths += truths.filter(({ ignored }) => !ignored).length;
  const first = tally.matched.length;
  for (const area of areas) {
    tally.matched.push(0);
    tally.ignored.push(outside(area) ? 2 ** THRESHOLDS.length - 1 : 0);
  }
  for (const [bit, threshold] of THRESHOLDS.entries()) {
    const taken = new Set<number>();
    for (const [index, row] of overlaps.entries()) {
      let best = Math.min(threshold, 1 - 1e-10);
      let match: (typeof truths)[number] | undefined;
      for (const truth of truths) {
        if (taken.has(truth.column) && !truth.crowd) continue;
        if (match && !match.ignored && truth.ignored) break;
        if (row[truth.column]! < best) continue;
        best = row[truth.column]!;
        match = truth;
      }
      if (!match) continue;
      taken.add(match.column);
      tally.matched[first + index]! |= 1 << bit;
      if (match.ignored) tally.ignored[first + index]! |= 1 << bit;
      else tally.ignored[first + index]! &= ~(1 << bit);
    }
  }
}

/** The mean precision over 101 recalls, for each threshold. */
function precisionsOf({ truths, scores, matched, ignored }: Tally): number[] | null {
  if (truths === 0) return null;
  const order = scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]!);
  return THRESHOLDS.map((_, bit) => {
    const [recalls, precisions]: [number[], number[]] = [[], []];
    let [right, wrong] = [0, 0];
    for (const index of order) {
      if (!((ignored[index]! >> bit) & 1)) {
        if ((matched[index]! >> bit) & 1) right++;
        else wrong++;
      }
      recalls.push(right / truths);
      precisions.push(right / (wrong + right + Number.EPSILON));
    }
    for (let index = precisions.length - 1; index > 0; index--) {
      precisions[index - 1] = Math.max(precisions[index - 1]!, precisions[index]!);
    }
    let [index, sum] = [0, 0];
    for (const recall of RECALLS) {
      while (index < recalls.length && recalls[index]! < recall) index++;
      sum += precisions[index] ?? 0;
    }
    return sum / RECALLS.length;
  });
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
