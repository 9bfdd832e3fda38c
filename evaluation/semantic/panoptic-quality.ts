import { AppError } from '../../shared/error.ts';

export interface Segment {
  id: number;
  category: number;
  crowd: boolean;
}

/** Every pixel's segment, row after row, and the segments. Pixels of id 0 are void: of no segment. */
export interface Panoptic {
  ids: Uint32Array;
  segments: readonly Segment[];
}

/** 0..1; null where there is no segment of this kind. */
export interface Quality {
  pq: number | null;
  sq: number | null;
  rq: number | null;
}

export interface PanopticQuality {
  all: Quality;
  things: Quality;
  stuff: Quality;
  /** By category; those that occur neither in the truth nor in a prediction are left out. */
  byCategory: Map<number, { pq: number; sq: number; rq: number }>;
}

const VOID = 0;
/** Ids have three bytes: a pair of them is a whole number that a double holds. */
const PAIR = 2 ** 24;

interface Tally {
  overlap: number;
  matched: number;
  tooMuch: number;
  missed: number;
}

/**
 * Panoptic quality (Kirillov et al. 2019) by the rules of COCO's panopticapi: segments match above an overlap of 0.5, void
 * and crowds of the truth count neither for nor against.
 */
export function createPanopticQuality(categories: ReadonlyMap<number, { isThing: boolean }>) {
  const tallies = new Map<number, Tally>();
  for (const id of categories.keys()) tallies.set(id, { overlap: 0, matched: 0, tooMuch: 0, missed: 0 });
  return {
    /** One picture; both have one size. Throws AppError `invalid` for segments that differ from their map. */
    add(truth: Panoptic, prediction: Panoptic): void {
      const areas = areasOf(truth, categories, 'ground truth');
      const foundAreas = areasOf(prediction, categories, 'prediction');
      const shared = countPairs(truth.ids, prediction.ids);
      const sharedBy = (id: number, found: number) => shared.get(id * PAIR + found) ?? 0;
      const matched = new Set<number>();
      const matchedTruths = new Set<number>();
      const crowds = new Map<number, number>();
      for (const { id, category, crowd } of truth.segments) {
        if (crowd) {
          crowds.set(category, id);
          continue;
        }
        for (const found of prediction.segments) {
          if (found.category !== category) continue;
          const both = sharedBy(id, found.id);
          const either = foundAreas.get(found.id)! + areas.get(id)! - both - sharedBy(VOID, found.id);
          if (both / either <= 0.5) continue;
          const tally = tallies.get(category)!;
          tally.matched++;
          tally.overlap += both / either;
          matched.add(found.id);
          matchedTruths.add(id);
        }
        if (!matchedTruths.has(id)) tallies.get(category)!.missed++;
      }
      for (const { id, category } of prediction.segments) {
        const crowd = crowds.get(category);
        const uncounted = sharedBy(VOID, id) + (crowd === undefined ? 0 : sharedBy(crowd, id));
        if (!matched.has(id) && uncounted / foundAreas.get(id)! <= 0.5) tallies.get(category)!.tooMuch++;
      }
    },
    result(): PanopticQuality {
      const byCategory: PanopticQuality['byCategory'] = new Map();
      for (const [id, { overlap, matched, tooMuch, missed }] of tallies) {
        const pieces = matched + 0.5 * tooMuch + 0.5 * missed;
        if (pieces === 0) continue;
        byCategory.set(id, { pq: overlap / pieces, sq: matched === 0 ? 0 : overlap / matched, rq: matched / pieces });
      }
      const over = (wanted: (isThing: boolean) => boolean): Quality => {
        const chosen = [...byCategory].filter(([id]) => wanted(categories.get(id)!.isThing)).map(([, found]) => found);
        const mean = (part: 'pq' | 'sq' | 'rq') =>
          chosen.length === 0 ? null : chosen.reduce((sum, found) => sum + found[part], 0) / chosen.length;
        return { pq: mean('pq'), sq: mean('sq'), rq: mean('rq') };
      };
      return {
        all: over(() => true),
        things: over((isThing) => isThing),
        stuff: over((isThing) => !isThing),
        byCategory,
      };
    },
  };
}

/** Pixels by segment. */
function areasOf({ ids, segments }: Panoptic, categories: ReadonlyMap<number, unknown>, whose: string) {
  const areas = new Map<number, number>();
  for (const id of ids) areas.set(id, (areas.get(id) ?? 0) + 1);
  for (const { id, category } of segments) {
    if (!categories.has(category))
      throw new AppError('invalid', `Segment ${id} of the ${whose} has the unknown category ${category}.`);
    if (id === VOID || !areas.has(id)) throw new AppError('invalid', `The map of the ${whose} has no segment ${id}.`);
  }
  const known = new Set(segments.map(({ id }) => id));
  if (known.size < segments.length) throw new AppError('invalid', `Two segments of the ${whose} have one id.`);
  for (const id of areas.keys()) {
    if (id !== VOID && !known.has(id))
      throw new AppError('invalid', `Segment ${id} in the map of the ${whose} is not described.`);
  }
  return areas;
}

function countPairs(truth: Uint32Array, prediction: Uint32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (let pixel = 0; pixel < truth.length; pixel++) {
    const pair = truth[pixel]! * PAIR + prediction[pixel]!;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  return counts;
}
