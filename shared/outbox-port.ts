import type { AttemptResult, Delivery } from './delivery.ts';
import type { Endpoint, EndpointChange } from './endpoint.ts';
import type { Creation, Idempotency } from './idempotency.ts';

interface DeliveryFilter {
  account: string;
  /** Those of test mode, or those of live mode. */
  test: boolean;
  endpoint_id?: string | undefined;
  job_id?: string | undefined;
  /** Opaque, from `next_cursor`. Throws `malformed` when it is not one of ours. */
  cursor?: string | undefined;
  /** 1..100 */
  limit: number;
}

/**
 * The part of the state store for deliveries to others. Deliveries about jobs are written by `createJob` and
 * `updateJob` themselves, in their transactions (shared/outbox.ts).
 */
export interface Outbox {
  /**
   * A repeat is told as by `createJob`. Throws `already-exists` for a second endpoint without `url` in an account, and
   * `conflict` for more than an account may have.
   */
  createEndpoint(endpoint: Endpoint, idempotency?: Idempotency): Promise<Creation>;
  /** Null: the account has no such endpoint. */
  getEndpoint(account: string, id: string): Promise<Endpoint | null>;
  /** Oldest first. */
  listEndpoints(account: string): Promise<Endpoint[]>;
  /**
   * As it is then; a repeat changes nothing. Null: the account has no such endpoint. Throws as `changeEndpoint` does.
   */
  updateEndpoint(
    account: string,
    id: string,
    change: EndpointChange,
    idempotency?: Idempotency,
  ): Promise<Endpoint | null>;
  /** With all its deliveries. False: the account has no such endpoint. */
  deleteEndpoint(account: string, id: string): Promise<boolean>;

  createDelivery(delivery: Delivery): Promise<void>;
  /** Of webhooks. */
  getDelivery(account: string, id: string): Promise<Delivery | null>;
  /** Webhooks, newest first. */
  listDeliveries(filter: DeliveryFilter): Promise<{ deliveries: Delivery[]; next_cursor?: string }>;
  /**
   * The most overdue delivery of those that have a lane (shared/lanes.ts), which nobody else gets until it is recorded or
   * lost; null: there is none. `free`: lanes that the caller has left; default: any number. No receiver has more than
   * MAX_PARALLEL_DELIVERIES at a time, so that one that hangs does not hold up the others.
   */
  claimDelivery(free?: number): Promise<Delivery | null>;
  /**
   * Outcome of the claim, with its effect on the endpoint: it took a message, is gone, or has taken none for as long as
   * this one was tried. Throws `lease-lost` when the delivery was claimed anew, `not-found` when it was erased.
   */
  recordAttempt(delivery: Pick<Delivery, 'id' | 'claim'>, result: AttemptResult): Promise<Delivery>;
  /** A webhook once more, with its id. Null: the account has none such. Throws `conflict` while it is being tried. */
  replayDelivery(account: string, id: string): Promise<Delivery | null>;
}
