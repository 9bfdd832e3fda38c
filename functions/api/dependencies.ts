import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiKey } from '../../shared/keys.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { ModelId } from '../../shared/models.ts';
import type { JobQueue, ObjectStore, StateStore } from '../../shared/ports.ts';

/** All that the API needs from outside. */
export interface Dependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  installedModels: ModelId[];
  limits: Limits;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** What a job costs, in micro-units. Default 0. */
  pricePerJob?: number;
  /** Where the API is seen from outside, e.g. `https://api.example.com`. Default: the origin of each request. */
  publicUrl?: string;
  /** Rejects while the service cannot work. Default: asks each port. */
  ready?: () => Promise<void>;
}

export interface Environment {
  Variables: {
    requestId: string;
    /** Only behind `requireScope`. */
    apiKey: ApiKey;
  };
}

export type Api = OpenAPIHono<Environment>;
