import { z } from 'zod';
import { problemSchema } from './error.ts';
import {
  chargeSchema,
  descriptionSchema,
  fidelityReportSchema,
  heatmapSchema,
  inputSchema,
  jobStatusSchema,
  livePreviewSchema,
  outputSchema,
  parametersSchema,
  progressSchema,
  resultDeliverySchema,
} from './job.ts';
import { apiKeySchema, capShape, clientScopeSchema, clientTokenSchema, scopeSchema } from './keys.ts';
import {
  DEFAULT_RETENTION_HOURS,
  MAX_CLIENT_TOKEN_SECONDS,
  MAX_INLINE_BYTES,
  MAX_OVERLAP_SECONDS,
  MAX_RETENTION_HOURS,
} from './limits.ts';
import { MODEL_IDS, MODEL_PARAMETERS } from './models.ts';
import { requestedParametersSchema } from './parameters.ts';
import { previewSchema } from './preview.ts';
import { verificationKeySchema } from './signature.ts';
import { jobWebhookSchema } from './webhook-api.ts';

/** The HTTP contract: one schema is the type, the check and the document. Unknown fields are refused. */

const hasOneField = (given: object) => Object.values(given).filter((value) => value !== undefined).length === 1;

export const createUploadSchema = z.strictObject({
  bytes: z.int().min(1).describe('Exact size of the file; the upload is refused when it differs.'),
  content_type: z
    .string()
    .regex(/^image\/[a-z0-9.+-]{1,50}$/, 'an image type such as image/jpeg')
    .describe('Sent unchanged as the Content-Type of the upload. What the file really is is found out from its bytes.'),
  method: z
    .enum(['PUT', 'POST'])
    .default('PUT')
    .describe('PUT: the raw body. POST: an HTML form (multipart/form-data), which needs no preflight in browsers.'),
});

export const uploadSchema = z.object({
  id: z.string(),
  method: z.enum(['PUT', 'POST']),
  url: z.url().describe('Send the file here, without an API key.'),
  headers: z.record(z.string(), z.string()).describe('Headers that the request must carry, exactly so.'),
  fields: z
    .record(z.string(), z.string())
    .optional()
    .describe('Of POST: form fields to send before the file, which is the last field and called `file`.'),
  expires_at: z.iso.datetime(),
  max_bytes: z.int(),
});

export const createJobSchema = requestedParametersSchema.extend({
  input: z
    .strictObject({
      upload_id: z.string().min(1).max(64).optional(),
      url: z
        .string()
        .min(1)
        .max(2048)
        .optional()
        .describe('https. The service fetches it within a minute or two; redirects are not followed.'),
      base64: z
        .base64()
        .max(Math.ceil(MAX_INLINE_BYTES / 3) * 4)
        .optional()
        .describe(`The file itself, at most ${MAX_INLINE_BYTES} bytes.`),
    })
    .refine(hasOneField, { message: 'exactly one of upload_id, url and base64' })
    .describe('Exactly one of these.'),
  deliver: z
    .strictObject({
      url: z.string().min(1).max(2048).describe('Presigned by you, for PUT.'),
      headers: z
        .record(
          z.string().regex(/^(?:content-type|cache-control|x-[a-z0-9-]{1,60})$/),
          z.string().regex(/^[ -~]{1,200}$/),
        )
        .optional()
        .describe('Sent along, for example x-ms-blob-type. In lower case.'),
    })
    .optional()
    .describe('The result is put there, too.'),
  retention_hours: z.int().min(1).max(MAX_RETENTION_HOURS).default(DEFAULT_RETENTION_HOURS),
  client_reference: z.string().min(1).max(255).optional().describe('Yours; find the job again by it.'),
  preview: previewSchema.optional(),
  live_previews: z
    .boolean()
    .default(false)
    .describe(
      'Small pictures of what there is so far, every two seconds at most, while the job runs: see `live_preview` of the job. They cost nothing, take next to no time, and are erased when the job ends.',
    ),
  webhook: jobWebhookSchema.optional().describe('Who is told about this job, beside the endpoints of the account.'),
  quote_id: z.string().max(1000).optional().describe('Of `POST /v1/quotes`: the job costs what was quoted.'),
  max_price: z
    .int()
    .min(0)
    .optional()
    .describe('Micro-units. A job that costs more is refused; if its file comes later, it fails then, uncharged.'),
});

const side = z.int().min(1).max(1_000_000);

export const createQuoteSchema = requestedParametersSchema.extend({
  input: z.union([
    z.strictObject({ upload_id: z.string().min(1).max(64) }),
    z.strictObject({ width: side, height: side }).describe('Of the photo, upright.'),
  ]),
  preview: previewSchema.optional(),
});

export const quoteSchema = z.object({
  id: z.string().describe('Send it as `quote_id` with the job.'),
  price: z.int().describe('Micro-units: a millionth of the unit of the account.'),
  qualifier: z.literal('exact'),
  expires_at: z.iso.datetime(),
  input: z.object({ width: z.int(), height: z.int() }),
  tiles: z.int().describe('That the photo is worked in.'),
  steps: z.int().describe('Denoising steps, each over all tiles; 1 for a network that takes none.'),
  eta_seconds: z
    .int()
    .describe('A guess from the latest jobs of all accounts and the queue: until a job submitted now has ended.'),
});

export const jobSchema = z
  .object({
    id: z.string(),
    status: jobStatusSchema,
    terminal: z.boolean().describe('True once nothing will change any more. Judge by this, not by a list of statuses.'),
    test: z.literal(true).optional().describe('Of a test key: free, enlarged by a filter.'),
    version: z.int(),
    attempt: z.int(),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().optional(),
    finished_at: z.iso.datetime().optional(),
    upload_id: z.string(),
    input: inputSchema.optional(),
    parameters: parametersSchema,
    task: z.literal('tags').optional().describe('Of `POST /v1/tags`: there will be no output, only `description`.'),
    client_reference: z.string().optional(),
    progress: progressSchema.optional(),
    live_preview: livePreviewSchema
      .extend({ url: z.url() })
      .optional()
      .describe(
        'With `live_previews`, while the job runs: a JPEG, at most 512 pixels a side, less detailed than the result.',
      ),
    cancel_requested: z.boolean().optional(),
    cancel_at: z.iso.datetime().optional().describe('By the header Cancel-After.'),
    queue: z
      .object({
        position_estimate: z.int().describe('1: it is the next.'),
        ahead_seconds: z.int().describe('Until a worker comes to it.'),
      })
      .optional()
      .describe('While it waits. Guessed from the length of the queue and from what the latest jobs took.'),
    eta: z.iso
      .datetime()
      .optional()
      .describe('When it will have ended: a guess that changes without a new `version`. Absent where there is none.'),
    cold_start: z.literal(true).optional().describe('The model had to be loaded for it first, which takes its time.'),
    output: outputSchema.extend({ url: z.url() }).optional().describe('Absent until there is one.'),
    fidelity_report: fidelityReportSchema.optional().describe('How true the result is to the photo.'),
    heatmap: heatmapSchema
      .extend({ url: z.url() })
      .optional()
      .describe('PNG to lay over photo or result: the more opaque, the more was added there. Kept like the output.'),
    delivery: resultDeliverySchema
      .optional()
      .describe('What came of putting the result to your URL. The only thing that changes in a terminal job.'),
    error: problemSchema.optional(),
    notes: z.array(z.string()).optional().describe('What could not be kept, or was decided for you.'),
    description: descriptionSchema.optional(),
    charge: chargeSchema,
    links: z.object({
      self: z.url(),
      cancel: z.url().optional(),
      events: z.url().optional().describe('While it is not terminal.'),
      output: z.url().optional(),
      receipt: z.url().optional(),
      heatmap: z.url().optional(),
      live_preview: z.url().optional(),
    }),
  })
  .meta({ id: 'Job' });

export const balanceSchema = z.object({
  balance: z.int().describe('Micro-units: a millionth of the unit of the account.'),
  prices: z.string().describe('Name of the price list: `free`, where nothing costs anything, or another.'),
});

export const usageQuerySchema = z.strictObject({
  from: z.iso.date().optional().describe('First day, in UTC. Default: 30 days with `to`.'),
  to: z.iso.date().optional().describe('Last day. Default: today.'),
});

export const usageSchema = z.object({
  from: z.iso.date(),
  to: z.iso.date(),
  data: z.array(
    z.object({
      day: z.iso.date().describe('On which the jobs were submitted, in UTC.'),
      model: z.string(),
      jobs: z.int(),
      succeeded: z.int(),
      captured: z.int().describe('What was charged, in micro-units.'),
    }),
  ),
});

export const receiptKeysSchema = z.object({ keys: z.array(verificationKeySchema) });

export const createTagsSchema = z.strictObject({
  upload_id: z.string().min(1).max(64).describe('Its file must be there.'),
  model: z.enum(['seesr', 'seesr-turbo']).optional().describe('Default: the first of the two that is installed.'),
});

export const tagsSchema = z.object({
  tags: descriptionSchema.shape.tags,
  image: z.object({ width: z.int(), height: z.int() }),
  job_id: z.string(),
});

export const listJobsQuerySchema = z.strictObject({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  status: jobStatusSchema.optional(),
  client_reference: z.string().max(255).optional(),
  idempotency_key: z.string().max(255).optional(),
});

export const jobListSchema = z.object({ data: z.array(jobSchema), next_cursor: z.string().optional() });

export const outputLinkSchema = z.object({
  url: z.url(),
  expires_at: z.iso
    .datetime()
    .describe('Of this link. The result itself is kept until the expires_at of the job’s output.'),
  sha256: z.string(),
  bytes: z.int(),
  mime: z.string(),
});

export const eventsLinkSchema = z.object({ url: z.url(), expires_at: z.iso.datetime() });
/** Of the photo itself. */
export const photoLinkSchema = eventsLinkSchema.extend({ bytes: z.int() });
export const livePreviewLinkSchema = livePreviewSchema
  .extend({ url: z.url(), expires_at: z.iso.datetime() })
  .meta({ id: 'LivePreview' });
export const modelListSchema = z.object({
  data: z.array(
    z.object({
      id: z.enum(MODEL_IDS),
      name: z.string(),
      description: z.string(),
      license: z.string(),
      installed: z.boolean(),
      default: z.boolean(),
      parameters: z
        .object(MODEL_PARAMETERS)
        .partial()
        .describe('Parameters of this model beside those that all have, and what they are when not given.'),
      price: z
        .object({
          minimum: z.int(),
          per_output_megapixel: z.int().optional().describe('Per 1,000,000 pixels of the result.'),
          per_network_call: z.int().optional().describe('Per tile and step, twice that where guidance is above 1.'),
        })
        .describe('Micro-units, rounded up once. `POST /v1/quotes` gives the exact price of a job.'),
    }),
  ),
  limits: z.object({
    max_upload_bytes: z.int(),
    max_input_pixels: z.int(),
    max_output_pixels: z.int(),
    heic: z.boolean().optional().describe('Whether HEIC photos are taken.'),
  }),
});

export const createKeySchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(100)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it refuses.
    .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not contain control characters'),
  scopes: z
    .array(scopeSchema)
    .min(1)
    .optional()
    .describe(
      'Default: those of the key that asks, but not keys:manage for a key with caps or allowed origins, nor webhooks:manage for a test key.',
    ),
  test: z.boolean().optional().describe('Default: as the key that asks, which for a test key is all there is.'),
  ...capShape,
  expires_at: z.iso.datetime().optional().describe('Default and latest: that of the key that asks.'),
});

export const rotateKeySchema = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(MAX_OVERLAP_SECONDS)
    .default(0)
    .describe('The secret until now stays valid so long. 0: at once only the new one is.'),
});

export const createClientTokenSchema = z.strictObject({
  end_user: z
    .string()
    .regex(/^[!-~]{1,128}$/, '1 to 128 printable ASCII characters without spaces')
    .describe('Yours, the same whenever this user comes back; no name or address. The token sees only what is theirs.'),
  ttl_seconds: z.int().min(1).max(MAX_CLIENT_TOKEN_SECONDS).default(MAX_CLIENT_TOKEN_SECONDS),
  max_jobs: z.int().min(1).max(100).default(10).describe('That it may create in all.'),
  max_price: z.int().min(0).optional().describe('Of each job, in micro-units. Default: no limit of its own.'),
  scopes: z.array(clientScopeSchema).min(1).optional().describe('Default: of these four those that the key has.'),
});
export const newClientTokenSchema = clientTokenSchema
  .omit({ account: true })
  .extend({ token: z.string().describe('For Authorization, as a key. Shown this once.') });

const keySchema = apiKeySchema.omit({ account: true }).meta({ id: 'Key' });
export const newKeySchema = keySchema.extend({ key: z.string().describe('Shown this once.') });
export const keyListSchema = z.object({
  data: z.array(
    keySchema.extend({ spent: z.int().describe('Micro-units that its jobs have cost, unfinished ones included.') }),
  ),
});

export type JobView = z.infer<typeof jobSchema>;
