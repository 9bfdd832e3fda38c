import type { JobView } from '../../shared/client.ts';

type Told = { progress?: JobView['progress'] | undefined; eta?: string | undefined };

/**
 * Between two reports, too: it goes on within a tile at the pace of the estimate (`eta`), and never past the end of the
 * tile. `since`: when this report came, `now`: both in milliseconds since 1970.
 */
export function guessPercent({ progress, eta }: Told, { since, now }: { since: number; now: number }): number {
  const percent = progress?.percent ?? 0;
  const left = eta ? Date.parse(eta) - since : 0;
  const grown = left > 0 ? ((100 - percent) * (now - since)) / left : 0;
  const most = percent + Math.max(0, tileShare(progress) - 1);
  return Math.floor(Math.min(most, percent + grown));
}

/** The share of the work that is done tile by tile. */
const TILES_PERCENT = 85;

/** Percent of the work that one tile is. */
function tileShare(progress: JobView['progress']): number {
  if (!progress?.tiles) return 0;
  return TILES_PERCENT / (progress.tiles * (progress.steps ?? 1));
}
