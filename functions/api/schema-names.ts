import { zodToOpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import type { z } from '@hono/zod-openapi';
import * as api from '../../shared/api.ts';
import { batchSchema } from '../../shared/batch.ts';
import * as batch from '../../shared/batch-api.ts';
import { problemSchema } from '../../shared/error.ts';
import * as job from '../../shared/job.ts';
import { modelFactsSchema } from '../../shared/methods/model-facts.ts';
import { MODEL_PARAMETERS } from '../../shared/methods/parameters.ts';
import { previewSchema } from '../../shared/preview.ts';
import { signedReceiptSchema } from '../../shared/receipt.ts';
import { verificationKeySchema } from '../../shared/signature.ts';
import { targetSchema } from '../../shared/target.ts';
import * as webhook from '../../shared/webhook-api.ts';
import { jobEventDataSchema, pingDataSchema } from '../../shared/webhook-payload.ts';

/** The names of answers and their parts in the OpenAPI document, and so in generated code. */
const NAMES: Record<string, z.ZodType> = {
  Balance: api.balanceSchema,
  BatchEventData: batchSchema,
  BatchCounts: batch.batchViewSchema.shape.counts,
  BatchJob: batch.batchViewSchema.shape.jobs.element,
  CanceledBatch: batch.canceledBatchSchema,
  Charge: job.chargeSchema,
  Degradation: job.degradationSchema,
  DegradationValue: job.degradationSchema.shape.values.element,
  Description: job.descriptionSchema,
  DetectedTag: job.descriptionSchema.shape.tags.element,
  EventsLink: api.eventsLinkSchema,
  FidelityReport: job.fidelityReportSchema,
  FieldError: problemSchema.shape.errors.unwrap().element,
  HeatmapLink: api.heatmapLinkSchema,
  JobEventData: jobEventDataSchema,
  JobEventError: jobEventDataSchema.shape.error.unwrap(),
  JobInput: job.inputSchema,
  JobLinks: api.jobSchema.shape.links,
  JobList: api.jobListSchema,
  JobStatus: job.jobStatusSchema,
  Key: api.keyListSchema.shape.data.element,
  KeyList: api.keyListSchema,
  Limits: api.modelListSchema.shape.limits,
  Model: api.modelListSchema.shape.data.element,
  ModelFacts: modelFactsSchema,
  ModelList: api.modelListSchema,
  ModelParameters: api.modelListSchema.shape.data.element.shape.parameters,
  ModelPrice: api.modelListSchema.shape.data.element.shape.price,
  NewClientToken: api.newClientTokenSchema,
  NewKey: api.newKeySchema,
  NewWebhookEndpoint: webhook.newEndpointSchema,
  OutputLink: api.outputLinkSchema,
  Parameters: job.parametersSchema,
  PhotoLink: api.photoLinkSchema,
  Preview: previewSchema,
  Progress: job.progressSchema,
  Quote: api.quoteSchema,
  Receipt: signedReceiptSchema.shape.receipt,
  ReceiptKeys: api.receiptKeysSchema,
  ReceiptSignature: signedReceiptSchema.shape.signature,
  ResultDelivery: job.resultDeliverySchema,
  Run: job.runSchema,
  RunInput: job.runSchema.shape.input,
  RunOutput: job.runSchema.shape.output,
  SignedReceipt: signedReceiptSchema,
  SelfLink: batch.batchViewSchema.shape.links,
  Size: api.sizeSchema,
  TagChange: MODEL_PARAMETERS.tags,
  Tags: api.tagsSchema,
  Target: targetSchema,
  Upload: api.uploadSchema,
  Usage: api.usageSchema,
  UsageRow: api.usageSchema.shape.data.element,
  VerificationKey: verificationKeySchema,
  WebhookAttempt: webhook.deliveryViewSchema.shape.attempts.element,
  WebhookDeliveryList: webhook.deliveryListSchema,
  WebhookEndpointList: webhook.endpointListSchema,
  WebhookPingData: pingDataSchema,
  WebhookSecret: webhook.endpointSecretsSchema.shape.secrets.element,
  WebhookEndpointSecrets: webhook.endpointSecretsSchema,
};

/** In place: wherever a schema is a part of others, it is told by its name. */
export function nameSchemas(schemas: Record<string, z.ZodType> = NAMES): void {
  for (const [refId, schema] of Object.entries(schemas)) zodToOpenAPIRegistry.add(schema, { _internal: { refId } });
}
