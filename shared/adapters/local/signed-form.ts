import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../../error.ts';

/** What the holder of a signed form may send. */
export interface SignedForm {
  key: string;
  contentType: string;
  /** Exactly. */
  bytes: number;
}

/** Relative to the origin of the server. */
export const FORM_PATH = '/blobs/form';

/** As the POST policy of S3 has it, with exact conditions only. */
const policySchema = z.object({
  expiration: z.iso.datetime(),
  conditions: z.tuple([
    z.object({ key: z.string() }),
    z.object({ 'Content-Type': z.string() }),
    z.tuple([z.literal('content-length-range'), z.int(), z.int()]),
  ]),
});

/** Form fields for one file. `expiresAt`: milliseconds since 1970. */
export function signForm({ key, contentType, bytes }: SignedForm, expiresAt: number, secret: string) {
  const conditions = [{ key }, { 'Content-Type': contentType }, ['content-length-range', bytes, bytes]];
  const expiration = new Date(expiresAt).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  return { key, 'Content-Type': contentType, policy, signature: signature(policy, secret).toString('base64url') };
}

/** What the fields allow. `now`: milliseconds since 1970. Throws `signature-invalid` naming the rule. */
export function verifySignedForm(fields: Record<string, string>, secret: string, now: number): SignedForm {
  const { policy = '' } = fields;
  const given = Buffer.from(fields.signature ?? '', 'base64url');
  const expected = signature(policy, secret);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new AppError('signature-invalid', 'The signature does not belong to the policy of this form.');
  }
  const { expiration, conditions } = policySchema.parse(JSON.parse(Buffer.from(policy, 'base64').toString()));
  if (Date.parse(expiration) <= now) throw new AppError('signature-invalid', `The form expired at ${expiration}.`);
  const [{ key }, { 'Content-Type': contentType }, [, bytes]] = conditions;
  for (const [name, signed] of Object.entries({ key, 'Content-Type': contentType })) {
    if (fields[name] === signed) continue;
    throw new AppError('signature-invalid', `The field ${name} was signed as ${signed}; it is ${fields[name]}.`);
  }
  return { key, contentType, bytes };
}

/** Its own purpose, so that no other signature of this secret is one of a form. */
function signature(policy: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`form\n${policy}`).digest();
}
