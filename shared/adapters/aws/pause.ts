import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MILLISECONDS = 10;
const MAX_PAUSE_MILLISECONDS = 400;

/** The longer the more often it was in vain, and at random, so that writers that met do not meet again. */
export async function pause(tries: number): Promise<void> {
  await sleep(Math.random() * Math.min(MAX_PAUSE_MILLISECONDS, PAUSE_MILLISECONDS * 2 ** tries));
}
