import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { toHex } from '../../shared/hex.ts';
import type { Job } from '../../shared/job.ts';
import type { Environment } from './dependencies.ts';

/** W3C Trace Context, version 00. Neither id may be all zeros, and later versions begin in the same way. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-|$)/;

export const traceparentSchema = z
  .string()
  .optional()
  .describe('Goes on into the logs and webhooks of the job (W3C Trace Context). An unreadable value is passed over.');

/**
 * The trace of the job, from the request through worker and log to the receiver of its webhooks: that of the caller
 * with a span of our own, or a new trace where none was sent, or one that cannot be read.
 */
export function traceOf(c: Context<Environment>): NonNullable<Job['trace']> {
  const sent = TRACEPARENT.exec(c.req.header('traceparent') ?? '');
  const [traceId, flags] = sent ? [sent[1], sent[2]] : [randomHex(16), '00'];
  return { request_id: c.get('requestId'), traceparent: `00-${traceId}-${randomHex(8)}-${flags}` };
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)));
}
