import { z } from 'zod';
import { createJobSchema } from './api.ts';
import { batchSchema } from './batch.ts';
import { jobStatusSchema } from './job.ts';
import { requestedParametersSchema } from './parameters.ts';
import { batchWebhookSchema } from './webhook-api.ts';

/** The part of the HTTP contract that is about batches. */

const MAX_ITEMS = 100;

type Shape = typeof requestedParametersSchema.shape;
/** Parameters that are given; others are left out instead of filled in, so that one set can go over another. */
const given = Object.fromEntries(
  Object.entries(requestedParametersSchema.shape).map(([name, schema]) => {
    const inner = schema instanceof z.ZodDefault ? schema.unwrap() : schema;
    return [name, z.optional(inner as z.ZodType).describe(schema.description ?? '')];
  }),
) as unknown as { [name in keyof Shape]: z.ZodOptional<z.ZodType<z.output<Shape[name]>>> };

const { input, deliver, client_reference, max_price, retention_hours } = createJobSchema.shape;

export const createBatchSchema = z.strictObject({
  items: z
    .array(z.strictObject({ input, deliver, client_reference, max_price, ...given }))
    .min(1)
    .max(MAX_ITEMS)
    .describe('Each as the body of `POST /v1/jobs`; its own parameters go over the common ones.'),
  parameters: z.strictObject(given).optional().describe('Of all items.'),
  retention_hours,
  webhook: batchWebhookSchema.optional().describe('Receiver of messages, beside the endpoints of the account.'),
});

export const canceledBatchSchema = z.object({
  id: z.string(),
  canceled: z.int().describe('By this request.'),
  stopping: z.int().describe('Their workers stop at the next step.'),
  ended: z.int().describe('Before, in any way.'),
});

const selfLinkSchema = z.object({ self: z.url() });

export const batchViewSchema = batchSchema
  .extend({
    jobs: z.array(
      z.object({
        id: z.string(),
        status: jobStatusSchema,
        client_reference: z.string().optional(),
        links: selfLinkSchema,
      }),
    ),
    links: selfLinkSchema,
  })
  .meta({ id: 'Batch' });
