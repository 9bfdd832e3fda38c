import { ATTEMPT_SECONDS, type AttemptResult, CUT_OFF, type Delivery, isForsaken } from '../../shared/delivery.ts';
import { validSecrets } from '../../shared/endpoint.ts';
import { readBeginning } from '../../shared/outbound.ts';
import { signWebhook } from '../../shared/webhook.ts';
import type { NotifyDependencies } from './dependencies.ts';

const LOGGED_BYTES = 1024;
/** Answers of a receiver that is well, but busy: it may say for how long. */
const THROTTLED = [429, 502, 503, 504];

/** Posts the message as Standard Webhooks 1.0.0 says. Only 2xx is success; a redirect is a failure and not followed. */
export async function sendWebhook(
  { state, outbound, now, timeoutSeconds = ATTEMPT_SECONDS.webhook }: NotifyDependencies,
  delivery: Delivery,
): Promise<Omit<AttemptResult, 'milliseconds'>> {
  const { id, account, endpoint_id = '', url, body = '', job_id } = delivery;
  if (isForsaken(delivery)) return { outcome: 'give_up', error: CUT_OFF };
  const endpoint = await state.getEndpoint(account, endpoint_id);
  const target = url ?? endpoint?.url;
  if (!endpoint || target === undefined) return { outcome: 'give_up', error: 'The endpoint was deleted.' };
  if (endpoint.disabled_at)
    return { outcome: 'give_up', error: `The endpoint was disabled at ${endpoint.disabled_at}.` };
  const trace = job_id === undefined ? undefined : (await state.getJob(job_id))?.trace;
  const timestamp = Math.floor(now() / 1000);
  const response = await outbound.fetch({
    method: 'POST',
    url: target,
    headers: {
      'Content-Type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      ...(trace && { traceparent: trace.traceparent }),
      'webhook-signature': await signWebhook(validSecrets(endpoint, now()), { id, timestamp, body }),
    },
    body: new TextEncoder().encode(body),
    timeoutSeconds,
    maxBytes: LOGGED_BYTES,
  });
  const { status, headers } = response;
  const text = await readBeginning(response.body, LOGGED_BYTES);
  const answer = { status, ...(text && { response: text }) };
  if (status >= 200 && status < 300) return { ...answer, outcome: 'done' };
  const error = status >= 300 && status < 400 ? `Status ${status}: redirects are not followed.` : `Status ${status}.`;
  if (status === 410) return { ...answer, error, outcome: 'give_up', gone: true };
  const retryAfterSeconds = THROTTLED.includes(status) ? readRetryAfter(headers.get('Retry-After'), now()) : undefined;
  return { ...answer, error, outcome: 'retry', ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

/** Seconds or a date (RFC 9110 section 10.2.3). */
function readRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}
