import { z } from 'zod';
import { AppError } from './error.ts';
import { eventTypeSchema } from './webhook-event.ts';

/** A receiver of webhooks, or, without `url`, the signer of those that go to the own URLs of jobs: one an account. */
export const endpointSchema = z.object({
  id: z.string(),
  url: z.string().optional().describe('Absent: the endpoint that signs for jobs with a `webhook.url` of their own.'),
  description: z.string().optional(),
  events: z.array(eventTypeSchema).describe('Of all jobs of the account.'),
  created_at: z.iso.datetime(),
  last_success_at: z.iso.datetime().optional(),
  disabled_at: z.iso.datetime().optional(),
  disabled_reason: z.string().optional(),
});

export interface Endpoint extends z.infer<typeof endpointSchema> {
  account: string;
  /** The newest first. All of them sign; those with `expires_at` until then. */
  secrets: { secret: string; expires_at?: string }[];
}

export type EndpointChange =
  /** `secret` signs from now on, and the one before it for `overlapSeconds` more. */
  | { type: 'rotate'; secret: string; overlapSeconds: number }
  | { type: 'disable'; reason: string }
  | { type: 'enable' }
  /** A message was taken. */
  | { type: 'succeeded' };

/** With a URL, of one account. */
const MAX_ENDPOINTS = 20;

/** `endpoints`: of the account, before another one. Throws `conflict`. */
export function checkEndpointCount(endpoints: readonly Endpoint[]): void {
  const count = endpoints.filter(({ url }) => url !== undefined).length;
  if (count < MAX_ENDPOINTS) return;
  throw new AppError('conflict', `The account has ${count} endpoints; ${MAX_ENDPOINTS} is the most.`);
}

/** Pure. `now`: milliseconds since 1970. Throws `conflict`. */
export function changeEndpoint(endpoint: Endpoint, change: EndpointChange, now: number): Endpoint {
  const time = new Date(now).toISOString();
  switch (change.type) {
    case 'rotate': {
      const expires_at = new Date(now + change.overlapSeconds * 1000).toISOString();
      const [newest, ...older] = endpoint.secrets.filter((known) => isValid(known, now));
      // Two at a time: a third would make signatures ever longer.
      if (older.length > 0) {
        throw new AppError('conflict', `The secret before the last one is valid until ${older[0]!.expires_at}; wait.`);
      }
      const overlap = newest && change.overlapSeconds > 0 ? [{ secret: newest.secret, expires_at }] : [];
      return { ...endpoint, secrets: [{ secret: change.secret }, ...overlap] };
    }
    case 'disable':
      return endpoint.disabled_at ? endpoint : { ...endpoint, disabled_at: time, disabled_reason: change.reason };
    case 'enable': {
      const { disabled_at: _at, disabled_reason: _reason, ...enabled } = endpoint;
      return enabled;
    }
    case 'succeeded':
      return { ...endpoint, last_success_at: time };
  }
}

/** The secrets that sign now. */
export function validSecrets(endpoint: Endpoint, now: number): string[] {
  return endpoint.secrets.filter((known) => isValid(known, now)).map(({ secret }) => secret);
}

function isValid({ expires_at }: Endpoint['secrets'][number], now: number): boolean {
  return expires_at === undefined || Date.parse(expires_at) > now;
}
