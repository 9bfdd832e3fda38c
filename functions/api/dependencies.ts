import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Health } from '../../shared/health.ts';
import type { Caller, Owner } from '../../shared/keys.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { InstalledModel } from '../../shared/methods/model-facts.ts';
import type { Metrics } from '../../shared/metrics.ts';
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
  /** The models that may be asked for. */
  installedModels: InstalledModel[];
  limits: Limits;
  log: Log;
  metrics: Metrics;
  /** Lines of the log that nobody got, where that is counted. */
  lostLogLines?: (() => number) | undefined;
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
  /** How long one stream of events lasts; its client then connects again. */
  streamSeconds?: number;
  /** Of the worker that runs beside the API, if one does. */
  health?: Health;
  /** What it computes on: the names of its engines. */
  devices?: readonly string[];
  /** Is aborted when the service begins to stop. */
  stopping?: AbortSignal;
}

export interface Environment {
  Variables: {
    requestId: string;
    /** Only behind `requireScope`: the key, also where the request came with a client token of it. */
    apiKey: Caller;
    /** Only behind `requireScope`: the secret that authenticated the request. Never store or log it. */
    secret: string;
    /** Only where a signed link was used instead of a key: the owner of the things that it leads to. */
    link: Owner;
  };
}

export type Api = OpenAPIHono<Environment>;
