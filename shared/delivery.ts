import { z } from 'zod';
import type { EndpointChange } from './endpoint.ts';

/** One HTTP exchange that is tried until it succeeds or is given up: a webhook, the fetch of an input, the sending of a result. */

const attemptSchema = z.object({
  at: z.iso.datetime(),
  milliseconds: z.int(),
  status: z.int().optional().describe('Absent when nobody answered.'),
  error: z.string().optional(),
  response: z.string().optional().describe('The beginning of the answer of the receiver.'),
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
  /** About a job of test mode, or asked for by a test key. */
  test?: true;
  kind: 'webhook' | 'input' | 'result';
  /** Of an input or a result: of its job, for shares (shared/lanes.ts). */
  end_user?: string;
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
  /** Attempts in a row that were cut off: nobody has told their outcome. */
  lost?: number;
}

/** Outcome of an attempt. `put_off`: a store of ours did not answer, which is no try of it. */
export interface AttemptResult extends Omit<Attempt, 'at'> {
  outcome: 'done' | 'retry' | 'give_up' | 'put_off';
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
const PUT_OFF_SECONDS = 30;
/** Time limit of an attempt. */
export const ATTEMPT_SECONDS: Record<Delivery['kind'], number> = { webhook: 15, input: 60, result: 120 };
/** An attempt under way that is older than this died with its process. */
const CLAIM_SECONDS = 180;
const MAX_LOST = 5;
export const CUT_OFF = 'The attempt was cut off on our side.';

/** Pure. `now`: milliseconds since 1970. */
export function claimedDelivery(delivery: Delivery, now: number): Delivery {
  const again = delivery.claimed ? afterLoss(delivery) : delivery;
  return { ...again, claim: delivery.claim + 1, claimed: true, due_at: now + CLAIM_SECONDS * 1000 };
}

function afterLoss(delivery: Delivery): Delivery {
  const milliseconds = CLAIM_SECONDS * 1000;
  const attempt = { at: new Date((delivery.due_at ?? 0) - milliseconds).toISOString(), milliseconds, error: CUT_OFF };
  return { ...delivery, attempts: logged(delivery, attempt), lost: (delivery.lost ?? 0) + 1 };
}

function logged({ attempts }: Delivery, attempt: Attempt): Attempt[] {
  return [...attempts, attempt].slice(-MAX_LOGGED_ATTEMPTS);
}

/** So many attempts were cut off that it may be the delivery that does it: it is given up, and nobody else blamed. */
export function isForsaken({ lost = 0 }: Delivery): boolean {
  return lost >= MAX_LOST;
}

/** Pure, but for the jitter. Returns the delivery, and its effect on the endpoint. */
export function afterAttempt(
  delivery: Delivery,
  { outcome, retryAfterSeconds, gone, ...attempt }: AttemptResult,
  now: number,
): { delivery: Delivery; change?: EndpointChange } {
  const { due_at: _due, claimed: _claimed, lost: _lost, ...rest } = delivery;
  if (outcome === 'put_off') return { delivery: { ...rest, due_at: now + PUT_OFF_SECONDS * 1000 } };
  const at = new Date(now - attempt.milliseconds).toISOString();
  const attempts = logged(delivery, { at, ...attempt });
  const tries = delivery.tries + 1;
  const next = { ...rest, attempts, tries };
  if (outcome === 'done') return { delivery: ended(next, 'delivered'), change: { type: 'succeeded' } };
  const pause = PAUSE_SECONDS[delivery.kind][tries - 1];
  if (outcome === 'retry' && pause !== undefined) {
    const asked = Math.min(retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS);
    const seconds = Math.max(asked, pause * (1 - JITTER + 2 * JITTER * Math.random()));
    return { delivery: { ...next, due_at: now + Math.round(seconds * 1000) } };
  }
  if (isForsaken(delivery)) return { delivery: ended(next, 'failed') };
  const reason = gone
    ? 'The receiver answered 410 Gone.'
    : `No attempt of ${tries} to deliver ${delivery.id} succeeded.`;
  return { delivery: ended(next, 'failed'), change: { type: 'disable', reason } };
}

/** Anybody with a presigned URL may use it: it is kept no longer than it is needed. A webhook may be replayed. */
function ended({ url, ...delivery }: Delivery, status: 'delivered' | 'failed'): Delivery {
  return { ...delivery, status, ...(delivery.kind === 'webhook' && url !== undefined && { url }) };
}

/** Whether nothing comes after the attempt that is under way, should it fail. */
export function isLastTry(delivery: Delivery): boolean {
  const { kind, tries } = delivery;
  return isForsaken(delivery) || tries >= PAUSE_SECONDS[kind].length;
}

/** The same message again, at once and by a schedule of its own. Pure. */
export function replayed(delivery: Delivery, now: number): Delivery {
  return { ...delivery, status: 'pending', tries: 0, due_at: now };
}
