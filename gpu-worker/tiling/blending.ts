import type { Span, TileSpan } from '../../shared/methods/tile-plan.ts';

/** How much a tile knows about its position `offset` (0 .. size − 1), before the tiles are weighed against each other. */
export type Window = (offset: number, span: TileSpan) => number;

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
 * 0 in a margin beside a neighbor, where a network misses the pixels beyond, then a linear rise over `feather`
 * positions, then 1. Tiles that overlap by 2 · margin + feather take over from each other in the middle.
 */
export function featherWindow(margin: number, feather: number): Window {
  return (offset, { size, first, last }) => {
    const fromStart = first ? Number.POSITIVE_INFINITY : offset + 0.5;
    const fromEnd = last ? Number.POSITIVE_INFINITY : size - offset - 0.5;
    return Math.min(1, Math.max(0, (Math.min(fromStart, fromEnd) - margin) / feather));
  };
}
