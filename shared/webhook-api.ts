import { z } from 'zod';
import { claimTextSchema } from './claim.ts';
import { deliverySchema } from './delivery.ts';
import { endpointSchema } from './endpoint.ts';
import { ENDING_EVENTS, type EventType, eventTypeSchema } from './webhook-event.ts';

/** The part of the HTTP contract that is about webhooks. */

const MAX_OVERLAP_SECONDS = 7 * 24 * 60 * 60;
const DEFAULT_OVERLAP_SECONDS = 24 * 60 * 60;

const eventsSchema = z.array(eventTypeSchema).max(eventTypeSchema.options.length);
const urlSchema = z.string().min(1).max(2048).describe('https; it may not lead into a private network.');

export const createEndpointSchema = z.strictObject({
  url: urlSchema
    .optional()
    .describe('Absent: the endpoint that signs for jobs with a `webhook.url` of their own, one an account.'),
  description: z.string().max(200).optional(),
  events: eventsSchema
    .default([...ENDING_EVENTS])
    .describe('Of all jobs of the account. Empty: only of jobs that name the endpoint.'),
});

const shownEndpointSchema = endpointSchema.meta({ id: 'WebhookEndpoint' });
export const endpointViewSchema = shownEndpointSchema;
export const newEndpointSchema = endpointSchema.extend({ secret: z.string().describe('Signs the messages to it.') });
export const endpointListSchema = z.object({ data: z.array(shownEndpointSchema) });

export const endpointSecretsSchema = z.object({
  secrets: z
    .array(z.object({ secret: z.string(), expires_at: z.iso.datetime().optional() }))
    .describe('The newest first. Each message carries a signature of every one.'),
});

export const rotateEndpointSchema = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(MAX_OVERLAP_SECONDS)
    .default(DEFAULT_OVERLAP_SECONDS)
    .describe('For so long the old secret signs as well.'),
});

/** `webhook` of a job. */
export const jobWebhookSchema = ownWebhookSchema(ENDING_EVENTS);
/** `webhook` of a batch. */
export const batchWebhookSchema = ownWebhookSchema(['batch.completed']);

function ownWebhookSchema(defaultEvents: readonly EventType[]) {
  return z
    .strictObject({
      url: urlSchema.optional().describe('Only for this; signed by the endpoint of the account that has no URL.'),
      endpoint_id: z.string().max(64).optional().describe('For this the endpoint gets `events`, not its own choice.'),
      events: eventsSchema.min(1).default([...defaultEvents]),
    })
    .refine(({ url, endpoint_id }) => (url === undefined) !== (endpoint_id === undefined), {
      message: 'either url or endpoint_id',
    });
}

export const deliveryViewSchema = deliverySchema
  .extend({ next_attempt_at: z.iso.datetime().optional().describe('While it is pending.') })
  .meta({ id: 'WebhookDelivery' });
export const deliveryListSchema = z.object({ data: z.array(deliveryViewSchema), next_cursor: z.string().optional() });

export const listDeliveriesQuerySchema = z.strictObject({
  cursor: claimTextSchema.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  endpoint_id: z.string().max(64).optional(),
  job_id: z.string().max(64).optional(),
});
