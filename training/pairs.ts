import { degradePicture, sharpenPicture } from '../evaluation/degradation/degrade-picture.ts';
import { drawDegradation } from '../evaluation/degradation/draw.ts';
import type { Picture } from '../evaluation/degradation/jpeg.ts';
import { createRandom, type Random } from '../evaluation/degradation/random.ts';
import { toPicture } from '../evaluation/degradation/to-picture.ts';
import { findPairs, findPictures } from '../evaluation/pairs.ts';
import { createPlane, cutPlane, type Plane } from '../evaluation/plane.ts';
import { decodeImage } from '../gpu-worker/images/decode.ts';
import { resizePlane } from '../gpu-worker/images/torch-resize.ts';
import { AppError } from '../shared/error.ts';
import type { Limits } from '../shared/limits.ts';

/** A good picture and the same one degraded, as large. */
interface PicturePair {
  good: Picture;
  degraded: Picture;
}

/** Gives the pair of a turn, counted from 0: the same one for the same turn. */
export type PairSource = (turn: number) => Promise<PicturePair>;

interface DegradeOptions {
  seed: number;
  /** Of the square part that is taken of each picture, in pixels. */
  crop: number;
  limits: Limits;
}

/**
 * Pairs that are made of good pictures as they are asked for: a part of one, sharpened, degraded to a quarter, and enlarged
 * again. All pictures come once in each round, in an order that is drawn for it.
 */
export async function degradedPairs(directory: string, { seed, crop, limits }: DegradeOptions): Promise<PairSource> {
  const paths = [...(await findPictures(directory)).values()];
  return async (turn) => {
    const random = createRandom(seed, `pair ${turn}`);
    const path = inRounds(paths, seed, turn);
    const whole = toPicture((await decodeImage(path, limits)).pixels);
    const good = sharpenPicture(each(whole, drawSquare(whole[0], crop, random, path)));
    const poor = degradePicture(good, drawDegradation(random), random);
    return { good, degraded: enlarged(poor, good[0]) };
  };
}

/** Pairs of two folders, by name. A degraded picture that is smaller than its good one is enlarged. */
export async function storedPairs(good: string, degraded: string, seed: number, limits: Limits): Promise<PairSource> {
  const pairs = await findPairs(good, degraded);
  return async (turn) => {
    const { truthPath, inputPath } = inRounds(pairs, seed, turn);
    const [truth, input] = [await decodeImage(truthPath, limits), await decodeImage(inputPath, limits)];
    const picture = toPicture(truth.pixels);
    return { good: picture, degraded: enlarged(toPicture(input.pixels), picture[0]) };
  };
}

/** Square parts of the pairs of a source, each at a place that is drawn; a pair of that size stays whole. */
export function squares(source: PairSource, { seed, crop }: Pick<DegradeOptions, 'seed' | 'crop'>): PairSource {
  return async (turn) => {
    const { good, degraded } = await source(turn);
    const cut = drawSquare(good[0], crop, createRandom(seed, `square ${turn}`), `The good picture of item ${turn}`);
    return { good: each(good, cut), degraded: each(degraded, cut) };
  };
}

/** Cuts the same square out of every plane of that size. Throws AppError `invalid` that begins with `name`. */
function drawSquare({ width, height }: Plane, side: number, random: Random, name: string): (plane: Plane) => Plane {
  if (Math.min(width, height) < side) {
    throw new AppError('invalid', `${name} has ${width}×${height} pixels, fewer than ${side} a side (--crop).`);
  }
  const left = Math.floor(random.uniform() * (width - side + 1));
  const top = Math.floor(random.uniform() * (height - side + 1));
  return (plane) => cutPlane(plane, left, top, side, side);
}

function inRounds<Item>(items: readonly Item[], seed: number, turn: number): Item {
  const random = createRandom(seed, `round ${Math.floor(turn / items.length)}`);
  const order = items.map((item) => ({ item, place: random.uniform() })).toSorted((a, b) => a.place - b.place);
  return order[turn % items.length]!.item;
}

/** Cubic, and in whole levels as a file would hold it. */
function enlarged(picture: Picture, { width, height }: Plane): Picture {
  if (picture[0].width === width && picture[0].height === height) return picture;
  return each(picture, (plane) => {
    const target = createPlane(width, height);
    resizePlane(plane, target, 'bicubic');
    return { ...target, data: target.data.map((value) => Math.round(255 * Math.min(1, Math.max(0, value))) / 255) };
  });
}

function each([red, green, blue]: Picture, change: (plane: Plane) => Plane): Picture {
  return [change(red), change(green), change(blue)];
}
