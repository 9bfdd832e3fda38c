import { onePass } from './one-pass.ts';
import { coverEvenly, type Span } from './tile-plan.ts';

/** Sides that the network takes are multiples of it, in pixels: windows of 8 positions at half the resolution. */
const UNIT = 16;

/** The side that a side of the photo is continued to: as published, one that is a multiple already grows by a whole unit. */
export function femasrSide(side: number): number {
  return (Math.floor(side / UNIT) + 1) * UNIT;
}

/** Tiles along a side of the photo, continued. */
export function femasrTiles(side: number, tileSize: number): Span[] {
  return coverEvenly(femasrSide(side), tileSize, UNIT);
}

/** FeMaSR (Chen et al. 2022). Its norms look at the whole picture, so tiles have no context that would suffice. */
export const femasr = onePass({
  id: 'femasr',
  name: 'Repainted (FeMaSR)',
  description: 'Paints the photo with patches that it has learned from sharp ones: rich texture, some of it invented.',
  license: 'CC-BY-NC-SA-4.0',
  weights: 'built',
  tileSizes: [256, 192, 128, 96],
  context: 0,
  tilesAlong: (side, tileSize) => femasrTiles(side, tileSize).length,
  holdsWhole: true,
  price: 4_000,
  pace: 550,
});
