import { useRef } from 'preact/hooks';
import type { JobView } from '../../shared/client.ts';
import { guessPercent } from './guess-percent.ts';
import { serverNow } from './server-clock.ts';

/** How far the job is, in whole percent, never back. Called anew whenever the screen is drawn. */
export function useShownPercent({ id, attempt, progress, eta }: JobView): number {
  const seen = useRef({ run: '', percent: -1, at: 0, shown: 0 });
  const run = `${id} ${attempt}`;
  const percent = progress?.percent ?? 0;
  if (seen.current.run !== run) seen.current = { run, percent, at: serverNow(), shown: percent };
  if (seen.current.percent !== percent) Object.assign(seen.current, { percent, at: serverNow() });
  const guessed = guessPercent({ progress, eta }, { since: seen.current.at, now: serverNow() });
  seen.current.shown = Math.max(seen.current.shown, guessed);
  return Math.min(99, seen.current.shown);
}
