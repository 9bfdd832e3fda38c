import { z } from 'zod';
import type { EndpointChange } from './endpoint.ts';

/** One HTTP exchange that is tried until it succeeds or is given up: a webhook, the fetch of an input, the sending of a result. */

const attemptSchema = z.object({
  at: z.iso.datetime(),
  milliseconds: z.int(),
  status: z.int().optional().describe('Absent when nobody answered.'),
  error: z.string().optional(),
  response: z.string().optional().describe('The beginning of what the receiver said.'),
});
type Attempt = z.infer<typeof attemptSchema>;

export const deliverySchema = z.object({
  id: z.string().describe('The `webhook-id`, the same at every attempt.'),
  endpoint_id: z.string().optional(),
  job_id: z.string().optional(),
  type: z.string().optional(),
  status: z.enum(['pending', 'delivered', 'failed']),
  created_at: z.iso.datetime(),
  attempts: z.array(attemptSchema).describe('The newest last.'),
});

export interface Delivery extends z.infer<typeof deliverySchema> {
  account: string;
  kind: 'webhook' | 'input' | 'result';
  /** Absent on a webhook: the URL of its endpoint. */
  url?: string;
  /** Of a webhook: the bytes that are sent, the same at every attempt. */
  body?: string;
  /** Since it was created or replayed. */
  tries: number;
  /** Counts claims; the fence, as `attempt` of a job. */
  claim: number;
  /** Milliseconds since 1970 of the next attempt; while one is under way, when it is taken for lost. Absent: never. */
  due_at?: number;
  /** An attempt is under way. */
  claimed?: true;
}

/** What came of an attempt. */
export interface AttemptResult extends Omit<Attempt, 'at'> {
  outcome: 'done' | 'retry' | 'give_up';
  /** The receiver wants to be left alone for so long. */
  retryAfterSeconds?: number;
  /** The receiver is gone for good. */
  gone?: boolean;
}

/** Pauses before the second attempt, the third and so on. A presigned URL does not live as long as an endpoint. */
const PAUSE_SECONDS: Record<Delivery['kind'], readonly number[]> = {
  webhook: [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
  input: [2, 10],
  result: [5, 30, 120, 300, 900, 1800, 3600],
};
const JITTER = 0.1;
const MAX_RETRY_AFTER_SECONDS = 86_400;
const MAX_LOGGED_ATTEMPTS = 20;
/** An attempt under way that is older than this died with its process. */
const CLAIM_SECONDS = 180;

/** Pure. `now`: milliseconds since 1970. */
export function claimedDelivery(delivery: Delivery, now: number): Delivery {
  return { ...delivery, claim: delivery.claim + 1, claimed: true, due_at: now + CLAIM_SECONDS * 1000 };
}

/** Pure, but for the jitter. Returns the delivery, and what it means for the endpoint. */
export function afterAttempt(
  delivery: Delivery,
  { outcome, retryAfterSeconds, gone, ...attempt }: AttemptResult,
  now: number,
): { delivery: Delivery; change?: EndpointChange } {
  const { due_at: _due, claimed: _claimed, ...rest } = delivery;
  const at = new Date(now - attempt.milliseconds).toISOString();
  const attempts = [...delivery.attempts, { at, ...attempt }].slice(-MAX_LOGGED_ATTEMPTS);
  const tries = delivery.tries + 1;
  const next = { ...rest, attempts, tries };
  if (outcome === 'done') return { delivery: ended(next, 'delivered'), change: { type: 'succeeded' } };
  const pause = PAUSE_SECONDS[delivery.kind][tries - 1];
  if (outcome === 'retry' && pause !== undefined) {
    const asked = Math.min(retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS);
    const seconds = Math.max(asked, pause * (1 - JITTER + 2 * JITTER * Math.random()));
    return { delivery: { ...next, due_at: now + Math.round(seconds * 1000) } };
  }
  const reason = gone
    ? 'The receiver answered 410 Gone.'
    : `No attempt of ${tries} to deliver ${delivery.id} succeeded.`;
  return { delivery: ended(next, 'failed'), change: { type: 'disable', reason } };
}

/** Whoever has a presigned URL may use it: it is kept no longer than it is needed. A webhook may be replayed. */
function ended({ url, ...delivery }: Delivery, status: 'delivered' | 'failed'): Delivery {
  return { ...delivery, status, ...(delivery.kind === 'webhook' && url !== undefined && { url }) };
}

/** Whether nothing comes after the attempt that is under way, should it fail. */
export function isLastTry({ kind, tries }: Delivery): boolean {
  return tries >= PAUSE_SECONDS[kind].length;
}

/** The same message again, at once and by a schedule of its own. Pure. */
export function replayed(delivery: Delivery, now: number): Delivery {
  return { ...delivery, status: 'pending', tries: 0, due_at: now };
}
