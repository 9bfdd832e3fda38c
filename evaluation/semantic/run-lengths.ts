import { AppError } from '../../shared/error.ts';

/** x, y of the corner at the top left, width, height, in pixels. */
export type Box = readonly [number, number, number, number];

/** A mask as COCO stores it: column after column, the lengths of the runs outside and inside in turn, outside first. */
export interface RunLengths {
  width: number;
  height: number;
  counts: readonly number[];
}

/** Boundaries of polygons are followed on a grid that is so much finer. */
const FINER = 5;

/** Throws AppError `invalid` for runs that are not those of a mask of this size. */
export function checkRuns(width: number, height: number, counts: readonly number[]): RunLengths {
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum !== width * height || counts.some((count) => !Number.isInteger(count) || count < 0)) {
    throw new AppError(
      'invalid',
      `The runs of a mask add up to ${sum}; ${width}×${height} pixels are ${width * height}.`,
    );
  }
  return { width, height, counts };
}

/** COCO's text for runs: six bits a character, five of them of the number; from the fourth run on the difference to the last but one. */
export function decodeCounts(text: string): number[] {
  const counts: number[] = [];
  for (let position = 0; position < text.length; ) {
    let value = 0;
    let shift = 0;
    let code: number;
    do {
      code = text.charCodeAt(position++) - 48;
      if (!(code >= 0 && code < 64) || shift > 30) {
        throw new AppError(
          'invalid',
          `The compressed mask "${text.slice(0, 40)}" is damaged at character ${position}.`,
        );
      }
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16 && shift < 32) value |= -1 << shift;
    counts.push(counts.length > 2 ? value + counts[counts.length - 2]! : value);
  }
  return counts;
}

/** `inside`: nonzero where the mask is, row after row. */
export function encodeMask(width: number, height: number, inside: ArrayLike<number>): RunLengths {
  const counts: number[] = [];
  let [run, last] = [0, false];
  for (let x = 0; x < width; x++) {
    for (let index = x; index < width * height; index += width) {
      const now = inside[index] !== 0;
      if (now !== last) {
        counts.push(run);
        [run, last] = [0, now];
      }
      run++;
    }
  }
  counts.push(run);
  return { width, height, counts };
}

/**
 * The mask inside a polygon x₀, y₀, x₁, y₁, …, to the pixel that of pycocotools (`rleFrPoly` of its maskApi.c): pixels are
 * changed where the boundary, drawn on a grid five times as fine, crosses the middle of their columns.
 */
export function polygonMask(corners: readonly number[], width: number, height: number): RunLengths {
  const { across, down } = traceBoundary(corners);
  const changes: number[] = [];
  for (let point = 1; point < across.length; point++) {
    const [x, before] = [across[point]!, across[point - 1]!];
    if (x === before) continue;
    const column = ((x < before ? x : x - 1) + 0.5) / FINER - 0.5;
    if (!Number.isInteger(column) || column < 0 || column > width - 1) continue;
    const row = (Math.min(down[point]!, down[point - 1]!) + 0.5) / FINER - 0.5;
    changes.push(column * height + Math.ceil(Math.min(height, Math.max(0, row))));
  }
  changes.sort((a, b) => a - b);
  return fromChanges(changes, width, height);
}

/** Points of the fine grid along all edges, from corner to corner; halves are rounded as C does it, towards zero. */
function traceBoundary(corners: readonly number[]): { across: number[]; down: number[] } {
  const fine = corners.map((value) => Math.trunc(FINER * value + 0.5));
  const [across, down]: [number[], number[]] = [[], []];
  for (let corner = 0; corner < fine.length; corner += 2) {
    const next = (corner + 2) % fine.length;
    let [fromX, fromY, toX, toY] = [fine[corner]!, fine[corner + 1]!, fine[next]!, fine[next + 1]!];
    const [width, height] = [Math.abs(toX - fromX), Math.abs(toY - fromY)];
    const isFlat = width >= height;
    const isTurned = isFlat ? fromX > toX : fromY > toY;
    if (isTurned) [fromX, fromY, toX, toY] = [toX, toY, fromX, fromY];
    const steps = Math.max(width, height);
    const slope = isFlat ? (toY - fromY) / width : (toX - fromX) / height;
    for (let taken = 0; taken <= steps; taken++) {
      const step = isTurned ? steps - taken : taken;
      // A corner given twice has no slope, and its points are all one.
      const aside = Math.trunc((isFlat ? fromY : fromX) + (steps === 0 ? 0 : slope * step) + 0.5);
      across.push(isFlat ? step + fromX : aside);
      down.push(isFlat ? aside : step + fromY);
    }
  }
  return { across, down };
}

/** `changes`: sorted positions where inside and outside change; two at one position are none. */
function fromChanges(changes: readonly number[], width: number, height: number): RunLengths {
  const kept: number[] = [];
  for (const change of changes) {
    if (kept.at(-1) === change) kept.pop();
    else kept.push(change);
  }
  const ends = [...kept, width * height];
  return { width, height, counts: ends.map((end, index) => end - (ends[index - 1] ?? 0)) };
}

/** The pixels of at least one of them, which have one size. */
export function uniteMasks(masks: readonly RunLengths[]): RunLengths {
  const { width, height } = masks[0]!;
  const edges = masks.flatMap(({ counts }) => {
    let position = 0;
    return counts.slice(0, -1).map((count, index) => {
      position += count;
      return { position, change: index % 2 === 0 ? 1 : -1 };
    });
  });
  edges.sort((a, b) => a.position - b.position);
  const changes: number[] = [];
  let depth = 0;
  for (const { position, change } of edges) {
    const before = depth;
    depth += change;
    // Where one mask ends and the other begins at one position, the two changes are dropped as a pair.
    if (before === 0 || depth === 0) changes.push(position);
  }
  return fromChanges(changes, width, height);
}

/** In pixels. */
export function areaOf({ counts }: RunLengths): number {
  let area = 0;
  for (let run = 1; run < counts.length; run += 2) area += counts[run]!;
  return area;
}

/** Pixels inside both. */
export function overlapOf(one: RunLengths, other: RunLengths): number {
  const [a, b] = [one.counts, other.counts];
  let [i, j, shared] = [0, 0, 0];
  let [left, right] = [a[0]!, b[0]!];
  while (i < a.length && j < b.length) {
    const step = Math.min(left, right);
    if (i % 2 === 1 && j % 2 === 1) shared += step;
    left -= step;
    right -= step;
    if (left === 0) left = a[++i] ?? 0;
    if (right === 0) right = b[++j] ?? 0;
  }
  return shared;
}

/** The smallest box around the mask; of a mask without pixels an empty one. */
export function boundsOf({ height, counts }: RunLengths): Box {
  let [left, top, right, bottom] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0];
  let position = 0;
  for (const [run, count] of counts.entries()) {
    if (run % 2 === 1 && count > 0) {
      const last = position + count - 1;
      const [from, to] = [Math.floor(position / height), Math.floor(last / height)];
      [left, right] = [Math.min(left, from), Math.max(right, to + 1)];
      // A run that goes on in the next column touches the lower and the upper border.
      top = Math.min(top, from === to ? position % height : 0);
      bottom = Math.max(bottom, from === to ? (last % height) + 1 : height);
    }
    position += count;
  }
  return right === 0 ? [0, 0, 0, 0] : [left, top, right - left, bottom - top];
}
