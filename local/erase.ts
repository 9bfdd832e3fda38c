import { setTimeout as sleep } from 'node:timers/promises';
import type { OwnerErasure } from '../shared/erase-owner.ts';

/** A job that runs stops at its next step. */
const LOOKS = 60;
const PAUSE_MILLISECONDS = 500;

/** Erases, and again until the running jobs have stopped or the patience is over. */
export async function eraseAll(erase: () => Promise<OwnerErasure>): Promise<OwnerErasure> {
  const done = { jobs: 0, running: 0 };
  for (let look = 1; ; look++) {
    const { jobs, running } = await erase();
    done.jobs += jobs;
    done.running = running;
    if (running === 0 || look === LOOKS) return done;
    await sleep(PAUSE_MILLISECONDS);
  }
}

export function describeErasure({ jobs, running }: OwnerErasure): string {
  const rest = running > 0 ? ` ${running} still run and were asked to stop: repeat the command.` : '';
  const files =
    'Their files go with the next sweep: within seconds where the service runs, else by npm run jobs -- sweep';
  return `${jobs} jobs were erased.${rest} ${files}. Backups and state-version-*.sqlite still have them.`;
}
