import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { AppError } from './error.ts';
import { descriptionSchema, inputSchema, isTerminal, type Job, parametersSchema, runSchema } from './job.ts';
import type { Signer } from './signature.ts';

/** Record of a result: its photo, its parameters, its run and its price. */
const receiptSchema = z.object({
  job_id: z.string(),
  account: z.string().describe('Whose it is.'),
  end_user: z.string().optional().describe('As the client token said with which it was submitted.'),
  test: z.literal(true).optional(),
  created_at: z.iso.datetime(),
  started_at: z.iso.datetime(),
  finished_at: z.iso.datetime(),
  attempt: z.int(),
  price: z.int().describe('Micro-units.'),
  input: inputSchema,
  parameters: parametersSchema,
  description: descriptionSchema.optional(),
  run: runSchema,
});
type Receipt = z.infer<typeof receiptSchema>;

export const signedReceiptSchema = z.object({
  receipt: receiptSchema,
  signature: z
    .object({
      alg: z.literal('EdDSA').describe('Ed25519'),
      kid: z.string().describe('Of the key, see GET /v1/receipt_keys.'),
      value: z.string().describe('Base64url.'),
    })
    .describe('Of `receipt` as canonical JSON (RFC 8785) in UTF-8.'),
});

/** The same for the same job, however often it is asked for. Throws `not-finished`, `no-output`, `gone`. */
export async function signReceipt(signer: Signer, job: Job): Promise<z.infer<typeof signedReceiptSchema>> {
  const receipt = receiptOf(job);
  const { alg, kid } = await signer.publicKey();
  return { receipt, signature: { alg, kid, value: await signer.sign(canonicalJson(receipt)) } };
}

function receiptOf(job: Job): Receipt {
  const {
    id,
    account,
    end_user,
    test,
    created_at,
    started_at,
    finished_at,
    attempt,
    charge,
    input,
    parameters,
    description,
    run,
  } = job;
  if (!isTerminal(job)) throw new AppError('not-finished', `Job ${id} is ${job.status}.`);
  if (job.status !== 'succeeded') throw new AppError('no-output', `Job ${id} is ${job.status}: nothing was made.`);
  if (job.task) throw new AppError('no-output', `Job ${id} looked for tags: there is nothing to have a receipt for.`);
  if (!run) throw new AppError('gone', `Job ${id} is older than receipts.`);
  return {
    job_id: id,
    account,
    ...(end_user !== undefined && { end_user }),
    ...(test && { test }),
    created_at,
    started_at: started_at!,
    finished_at: finished_at!,
    attempt,
    price: charge.amount,
    input: input!,
    parameters,
    ...(description && { description }),
    run,
  };
}
