import { z } from 'zod';
import { batchSchema } from './batch.ts';
import { jobStatusSchema, progressSchema } from './job.ts';
import { type EventType, eventTypeSchema } from './webhook-event.ts';

/** The payload of webhooks (shared/outbox.ts writes it). */

export const jobEventDataSchema = z.object({
  id: z.string(),
  status: jobStatusSchema,
  version: z.int().describe('A message that was overtaken by another has the lower one.'),
  test: z.literal(true).optional(),
  client_reference: z.string().optional(),
  batch_id: z.string().optional(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().optional(),
  progress: progressSchema.optional(),
  error: z.object({ code: z.string(), retryable: z.boolean() }).optional(),
});
export const pingDataSchema = z.object({ endpoint_id: z.string() });

type AnyEvent = EventType | 'webhook.ping';

/** By the type of the event. */
export const eventSchemas = new Map(
  ([...eventTypeSchema.options, 'webhook.ping'] as AnyEvent[]).map((type) => [type, eventSchemaOf(type)]),
);

function eventSchemaOf(type: AnyEvent) {
  const data = type === 'webhook.ping' ? pingDataSchema : type === 'batch.completed' ? batchSchema : jobEventDataSchema;
  return z.object({ type: z.literal(type), timestamp: z.iso.datetime().describe('Of the event.'), data });
}
