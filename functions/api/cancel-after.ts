import { z } from '@hono/zod-openapi';
import { AppError } from '../../shared/error.ts';

const MIN_SECONDS = 5;
const MAX_SECONDS = 24 * 60 * 60;
const UNIT_SECONDS = { s: 1, m: 60, h: 3600 };

export const cancelAfterSchema = z
  .string()
  .regex(/^\d{1,6}[smh]?$/, 'a whole number of seconds, or with s, m or h, such as 10m')
  .describe('5 s to 24 h, such as `10m`. A job that has not started by then expires; one that runs is canceled. Free.');

/** When the job is to end at the latest. Throws `malformed`. */
export function readCancelAfter(header: string | undefined, now: number): string | undefined {
  if (header === undefined) return undefined;
  const unit = header.at(-1) as keyof typeof UNIT_SECONDS;
  const seconds = Number.parseInt(header, 10) * (UNIT_SECONDS[unit] ?? 1);
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
    throw new AppError('malformed', `Cancel-After is ${header}; it must be ${MIN_SECONDS} s to ${MAX_SECONDS} s.`);
  }
  return new Date(now + seconds * 1000).toISOString();
}
