/** Along one axis it covers [start, start + size). */
export interface Span {
  start: number;
  size: number;
}

/** One tile along one axis. */
export interface TileSpan extends Span {
  /** Whether that end of the tile is the border of the picture, and not a neighbor. */
  first: boolean;
  last: boolean;
}

/** How much a tile knows about its position `offset` (0 .. size − 1), before the tiles are weighed against each other. */
export type Window = (offset: number, span: TileSpan) => number;

/**
 * Covers [0, extent) with tiles of one size that overlap by at least `overlap`; the last one is flush with the border.
 * One tile, of the size of the extent, where that fits.
 */
export function coverExtent(extent: number, size: number, overlap: number): TileSpan[] {
  if (size >= extent) return [{ start: 0, size: extent, first: true, last: true }];
  if (overlap >= size)
    throw new RangeError(`Tiles of ${size} cannot overlap by ${overlap}: the overlap must be smaller.`);
  const count = Math.ceil((extent - overlap) / (size - overlap));
  return Array.from({ length: count }, (_, index) => ({
    start: Math.min(index * (size - overlap), extent - size),
    size,
    first: index === 0,
    last: index === count - 1,
  }));
}

/** The smallest size that covers the extent with no more tiles than `maxSize` needs: no work done twice in vain. */
export function evenTileSize(extent: number, maxSize: number, overlap: number): number {
  const count = coverExtent(extent, maxSize, overlap).length;
  return Math.ceil((extent + (count - 1) * overlap) / count);
}

/** The same geometry on a grid that is `scale` times finer. */
export function scaleSpan<S extends Span>(span: S, scale: number): S {
  return { ...span, start: span.start * scale, size: span.size * scale };
}

/**
 * Blending weights of every tile, one number a position; at each position of the extent those of all tiles add up to 1.
 * In two dimensions the products of both axes' weights add up to 1 as well. Throws where every window is 0.
 */
export function blendingWeights(spans: readonly TileSpan[], extent: number, window: Window): Float32Array[] {
  const sums = new Float64Array(extent);
  const raw = spans.map((span) => {
    const weights = Float64Array.from({ length: span.size }, (_, offset) => window(offset, span));
    for (const [offset, weight] of weights.entries()) sums[span.start + offset]! += weight;
    return weights;
  });
  const bare = sums.findIndex((sum) => !(sum > 0));
  if (bare >= 0) throw new RangeError(`No tile has weight at position ${bare} of ${extent}.`);
  return raw.map((weights, index) =>
    Float32Array.from(weights, (weight, offset) => weight / sums[spans[index]!.start + offset]!),
  );
}

/**
 * 0 in a margin beside a neighbor, where a network misses what lies beyond, then a linear rise over `feather`
 * positions, then 1. Tiles that overlap by 2 · margin + feather take over from each other in the middle.
 */
export function featherWindow(margin: number, feather: number): Window {
  return (offset, { size, first, last }) => {
    const fromStart = first ? Number.POSITIVE_INFINITY : offset + 0.5;
    const fromEnd = last ? Number.POSITIVE_INFINITY : size - offset - 0.5;
    return Math.min(1, Math.max(0, (Math.min(fromStart, fromEnd) - margin) / feather));
  };
}
