import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Outbound } from '../../shared/outbound.ts';
import type { JobQueue, ObjectStore, StateStore } from '../../shared/ports.ts';
import type { PriceList } from '../../shared/pricing.ts';
import type { StorageRoom } from '../../shared/storage-room.ts';

export interface NotifyDependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  limits: Limits;
  prices: PriceList;
  outbound: Outbound;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Where inputs are kept. Default: as much as there is need for. */
  room?: StorageRoom;
  /** Of one webhook. */
  timeoutSeconds?: number;
}
