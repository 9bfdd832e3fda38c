import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Caller } from '../../shared/keys.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Metrics } from '../../shared/metrics.ts';
import type { ModelId } from '../../shared/models.ts';
import type { Outbound } from '../../shared/outbound.ts';
import type { JobQueue, ObjectStore, StateStore } from '../../shared/ports.ts';
import type { PriceList } from '../../shared/pricing.ts';
import type { RateLimiter } from '../../shared/rate-limit.ts';
import type { Signer } from '../../shared/signature.ts';
import type { StorageRoom } from '../../shared/storage-room.ts';

/** All that the API needs from outside. */
export interface Dependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  installedModels: ModelId[];
  limits: Limits;
  log: Log;
  metrics: Metrics;
  /** Milliseconds since 1970. */
  now: () => number;
  prices: PriceList;
  /** Signs quotes and receipts. */
  signer: Signer;
  /** Default: no limits. */
  limiter?: RateLimiter;
  /** The way to URLs that callers name. Default: they lead nowhere. */
  outbound?: Outbound;
  /** Where the API is seen from outside, e.g. `https://api.example.com`. Default: the origin of each request. */
  publicUrl?: string;
  /** Where the installation keeps its files. Default: as much as there is need for. */
  room?: StorageRoom;
  /** Rejects while the service cannot work. Default: asks each port. */
  ready?: () => Promise<void>;
}

export interface Environment {
  Variables: {
    requestId: string;
    /** Only behind `requireScope`: the key, also where the request came with a client token of it. */
    apiKey: Caller;
    /** Only behind `requireScope`: what the request was authenticated with. Never store or log it. */
    secret: string;
  };
}

export type Api = OpenAPIHono<Environment>;
