import { setTimeout as timer } from 'node:timers/promises';
import type { Health } from '../../shared/health.ts';
import type { Log } from '../../shared/log.ts';
import type { StorageRoom } from '../../shared/storage-room.ts';

interface Options {
  /** Default: as much as there is need for. */
  room?: StorageRoom;
  log: Log;
  health: Health;
}

const PAUSE_MILLISECONDS = 1_000;
const MAX_PAUSE_MILLISECONDS = 30_000;

/**
 * Until a result can be stored, or `stop` is aborted: an attempt that is begun without would do its work for nothing.
 * `refused`: so many bytes have just found no room, perhaps by a quota, which only a write can find out.
 */
export async function awaitRoom(
  { room, log, health }: Options,
  refused: number | undefined,
  stop: AbortSignal,
): Promise<void> {
  let pause = PAUSE_MILLISECONDS;
  for (let tries = 0; room && !stop.aborted; tries++) {
    health.live();
    try {
      await (refused === undefined ? room.check() : room.probe(refused));
      if (tries > 0) log.info('worker.has-room');
      return;
    } catch (error) {
      if (tries === 0) log.warn('worker.awaits-room', { error });
    }
    await timer(pause, undefined, { signal: stop }).catch(() => {});
    pause = Math.min(2 * pause, MAX_PAUSE_MILLISECONDS);
  }
}
