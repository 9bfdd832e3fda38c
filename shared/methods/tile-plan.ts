import type { Size } from './method.ts';

/** How pictures are cut into tiles: the worker runs this plan, and the price counts it. */

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

/** All methods that are offered make a picture so many times larger; models that were added may be of other scales. */
export const MODEL_SCALE = 4;

/** Input pixels over which one tile takes over from the next. */
export const TILE_FEATHER = 4;

/** The compact network is faster on a CPU where the width of a tile is a multiple of this. */
const INPUT_TILE_UNIT = 4;

/**
 * Tiles of a super-resolution network along one axis of the input, which begin at multiples of `unit`, a power of two by
 * which `tileSize` can be divided.
 */
function coverInput(extent: number, tileSize: number, context: number, unit = 1): TileSpan[] {
  const overlap = roundUp(2 * context + TILE_FEATHER + unit - 1, unit);
  const even = roundUp(evenTileSize(extent, tileSize, overlap), Math.max(INPUT_TILE_UNIT, unit));
  return coverExtent(extent, Math.min(tileSize, even), overlap).map((span) => {
    // The last one is flush with the border, which need not be a multiple.
    const start = roundUp(span.start, unit);
    return { ...span, start, size: span.start + span.size - start };
  });
}

/** The stages of a network that is computed stage by stage, and the farthest that one of them sees, in pixels of the photo. */
export interface StageFacts {
  count: number;
  context: number;
}

/** How a super-resolution network goes over a picture: one part after the other, in each stage by stage, tile by tile. */
interface StagedOptions {
  tileSize: number;
  /** Factor of enlargement. */
  scale: number;
  /** Pixels around a point that its part must hold. */
  context: number;
  unit: number;
}

/** Tiles in a part, as many as make its kept values about as large as the rest of the process: peak memory is about 1.5 GB. */
const PART_TILES = 16;
/** Tiles in a row of parts, whose results are held together, where a network enlarges by MODEL_SCALE. */
const ROW_TILES = 32;

/** Parts of a picture whose values between stages are too many to be kept at once; of most photos it is the only one. */
export function coverParts({ width, height }: Size, { tileSize, scale, context, unit }: StagedOptions) {
  const part = PART_TILES * tileSize ** 2;
  const row = ROW_TILES * (tileSize * (MODEL_SCALE / scale / unit)) ** 2;
  if (width * height <= Math.min(part, row)) return { rows: [wholeSpan(height)], columns: [wholeSpan(width)] };
  const widest = Math.min(width, Math.sqrt(PART_TILES) * tileSize);
  const highest = Math.max(tileSize, roundDown(Math.min(part / widest, row / width), unit));
  return { rows: coverInput(height, highest, context, unit), columns: coverInput(width, widest, context, unit) };
}

function wholeSpan(extent: number): TileSpan {
  return { start: 0, size: extent, first: true, last: true };
}

/**
 * What the tiles of a stage make, along one axis of a part: spans without overlap that begin at multiples of `unit`. With
 * what the stage sees around it, none is longer than a tile.
 */
export function coverCores(
  extent: number,
  tileSize: number,
  { context, unit }: { context: number; unit: number },
): Span[] {
  const whole = roundUp(extent, unit);
  if (whole <= tileSize) return [{ start: 0, size: whole }];
  const most = Math.max(unit, roundDown(tileSize - 2 * context, unit));
  return coverEvenly(whole, most, unit);
}

/** Tiles that all stages compute for a picture. */
export function countStagedTiles(size: Size, stages: StageFacts, options: StagedOptions): number {
  const { tileSize, unit } = options;
  const { rows, columns } = coverParts(size, options);
  const count = (spans: readonly Span[]) => {
    const cores = spans.map(({ size: extent }) => coverCores(extent, tileSize, { ...stages, unit }).length);
    return cores.reduce((sum, tiles) => sum + tiles, 0);
  };
  return stages.count * count(rows) * count(columns);
}

/** Pixels a latent. */
export const LATENT_PIXELS = 8;
/** Pixels; smaller pictures than Stable Diffusion 2 was trained on lose their structure. */
export const LEAST_DIFFUSION_SIDE = 512;
/** Pixels; a latent of such a size is halved three times without a rest. */
const DIFFUSION_UNIT = 64;
/** Both networks halve a latent three times: tiles whose sides are multiples of this leave no rest. */
const TILE_UNIT = 8;
/** Latents by which tiles overlap, wide enough that no border shows. */
const LATENT_OVERLAP = 32;

/** The side, in pixels, of the picture that diffusion makes for a side of the photo: the excess is cut. */
export function diffusionSide(photoSide: number): number {
  return Math.max(LEAST_DIFFUSION_SIDE, Math.ceil((photoSide * MODEL_SCALE) / DIFFUSION_UNIT) * DIFFUSION_UNIT);
}

export function latentOverlap(tileSize: number): number {
  return Math.min(LATENT_OVERLAP, tileSize / 2);
}

/**
 * Tiles along one axis of a latent: no longer than `tileSize`, nor than the same number of tiles needs in multiples of
 * `unit`.
 */
export function coverLatent(extent: number, tileSize: number, overlap: number, unit = TILE_UNIT): TileSpan[] {
  if (extent <= tileSize) return coverExtent(extent, extent, overlap);
  const even = roundUp(evenTileSize(extent, tileSize, overlap), unit);
  return coverExtent(extent, Math.min(tileSize, even), overlap);
}

/**
 * Covers [0, extent) with tiles of one size that overlap by at least `overlap`; the last one is flush with the border.
 * One tile, of the size of the extent, where that fits.
 */
export function coverExtent(extent: number, size: number, overlap: number): TileSpan[] {
  if (size >= extent) return [wholeSpan(extent)];
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

/**
 * Covers [0, extent) without overlaps: the fewest of at most `maxSize`, of equal size in multiples of `unit`; the last one
 * takes the rest.
 */
export function coverEvenly(extent: number, maxSize: number, unit: number): Span[] {
  const count = Math.ceil(extent / maxSize);
  const size = roundUp(extent / count, unit);
  return Array.from({ length: Math.ceil(extent / size) }, (_, index) => ({
    start: index * size,
    size: Math.min(size, extent - index * size),
  }));
}

/** The smallest size that covers the extent with no more tiles than `maxSize` needs: no work done twice in vain. */
export function evenTileSize(extent: number, maxSize: number, overlap: number): number {
  const count = coverExtent(extent, maxSize, overlap).length;
  return Math.ceil((extent + (count - 1) * overlap) / count);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}
