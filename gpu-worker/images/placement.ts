import { swapsSides, turnPoint } from '../../shared/orientation.ts';

interface Size {
  width: number;
  height: number;
}

/** Where the stored pixels of a photo are in its result: turned upright, cropped, enlarged. */
export interface Placement {
  stored: Size;
  /** EXIF orientation of the stored pixels. */
  orientation: number;
  /** Part of the upright photo that the result shows, in its pixels; absent: all of it. */
  crop?: Size & { x: number; y: number };
}

export type Point = readonly [x: number, y: number];
export type Box = readonly [left: number, top: number, right: number, bottom: number];

export function uprightSize({ stored, orientation }: Placement): Size {
  return swapsSides(orientation) ? { width: stored.height, height: stored.width } : stored;
}

/** Of the photo that the result shows, upright, in its pixels. */
export function shownPart(placement: Placement): Size & { x: number; y: number } {
  return placement.crop ?? { x: 0, y: 0, ...uprightSize(placement) };
}

/** From shares of the stored sides to shares of the result's; outside of 0 to 1 where the result does not show it. */
export function placePoint(placement: Placement, point: Point): Point {
  const [x, y] = turnPoint(placement.orientation, point);
  const upright = uprightSize(placement);
  const part = shownPart(placement);
  return [(x * upright.width - part.x) / part.width, (y * upright.height - part.y) / part.height];
}

export function placeBox(placement: Placement, [left, top, right, bottom]: Box): Box {
  const [x1, y1] = placePoint(placement, [left, top]);
  const [x2, y2] = placePoint(placement, [right, bottom]);
  return [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
}

/** Undefined if the result shows nothing of it. */
export function cutBox([left, top, right, bottom]: Box): Box | undefined {
  const inside = (value: number) => Math.min(1, Math.max(0, value));
  const cut = [inside(left), inside(top), inside(right), inside(bottom)] as const;
  return left < 1 && top < 1 && right > 0 && bottom > 0 ? cut : undefined;
}

/**
 * A point, a circle (diameter) or a rectangle (width and height) around a point, in stored pixels, as EXIF has them (2.32,
 * tag `SubjectArea`): in whole pixels of the result, moved to its edge if it lies outside.
 */
export function placeSubjectArea(numbers: number[], placement: Placement, result: Size): number[] {
  const [x = 0, y = 0, ...sides] = numbers;
  const { stored } = placement;
  const [placedX, placedY] = placePoint(placement, [x / stored.width, y / stored.height]);
  const part = shownPart(placement);
  const factors = [result.width / part.width, result.height / part.height] as const;
  if (swapsSides(placement.orientation) && sides.length === 2) sides.reverse();
  const inside = (share: number, side: number) => Math.min(side - 1, Math.max(0, Math.round(share * side)));
  return [
    inside(placedX, result.width),
    inside(placedY, result.height),
    ...sides.map((side, k) => Math.round(side * factors[k % 2]!)),
  ];
}
