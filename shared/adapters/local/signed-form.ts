import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../../error.ts';
import { fromBase64Url } from '../../signature.ts';

/** The upload that the holder of a signed form may send. */
export interface SignedForm {
  key: string;
  contentType: string;
  /** Exactly. */
  bytes: number;
}

/** Relative to the origin of the server. */
export const FORM_PATH = '/blobs/form';

/** Fields that a page has for itself; S3 takes no others beside those that were signed. */
const IGNORED = /^x-ignore-/;
/** Fields that carry the signature. */
const UNSIGNED = ['policy', 'signature'];
const STATUS = 'success_action_status';

/** As the POST policy of S3 has it, with exact conditions only. */
const policySchema = z.object({
  expiration: z.iso.datetime(),
  conditions: z.tuple([
    z.object({ key: z.string() }),
    z.object({ 'Content-Type': z.string() }),
    z.object({ [STATUS]: z.string() }),
    z.tuple([z.literal('content-length-range'), z.int(), z.int()]),
  ]),
});

/** Form fields for one file. `expiresAt`: milliseconds since 1970. */
export function signForm({ key, contentType, bytes }: SignedForm, expiresAt: number, secret: string) {
  const fields = { key, 'Content-Type': contentType, [STATUS]: '201' };
  const exact = Object.entries(fields).map(([name, value]) => ({ [name]: value }));
  const conditions = [...exact, ['content-length-range', bytes, bytes]];
  const expiration = new Date(expiresAt).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
  return { ...fields, policy, signature: signature(policy, secret).toString('base64url') };
}

/**
 * The upload that the fields allow; their names may be in any letters. `now`: milliseconds since 1970. Throws
 * `signature-invalid` naming the rule, and `malformed` where a field is missing without which there is no form.
 */
export function verifySignedForm(given: Record<string, string>, secret: string, now: number): SignedForm {
  const fields = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  for (const name of ['key', ...UNSIGNED]) {
    if (!fields.has(name)) throw new AppError('malformed', `The form has no field ${name} before its file.`);
  }
  const policy = fields.get('policy')!;
  const sent = Buffer.from(fromBase64Url(fields.get('signature')!) ?? []);
  const expected = signature(policy, secret);
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected)) {
    throw new AppError('signature-invalid', 'The signature does not belong to the policy of this form.');
  }
  const { expiration, conditions } = policySchema.parse(JSON.parse(Buffer.from(policy, 'base64').toString()));
  if (Date.parse(expiration) <= now) throw new AppError('signature-invalid', `The form expired at ${expiration}.`);
  const [{ key }, { 'Content-Type': contentType }, status, [, bytes]] = conditions;
  const signed = new Map(
    Object.entries({ key, 'Content-Type': contentType, ...status }).map(([name, value]) => [name.toLowerCase(), value]),
  );
  for (const [name, value] of signed) {
    const field = fields.get(name) ?? 'absent';
    if (field !== value)
      throw new AppError('signature-invalid', `The field ${name} was signed as ${value}; it is ${field}.`);
  }
  const isKnown = (name: string) => signed.has(name) || UNSIGNED.includes(name) || IGNORED.test(name);
  const more = [...fields.keys()].find((name) => !isKnown(name));
  if (more !== undefined) throw new AppError('signature-invalid', `The field ${more} was not signed.`);
  return { key, contentType, bytes };
}

/** Its own purpose, so that no other signature of this secret is one of a form. */
function signature(policy: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`form\n${policy}`).digest();
}
