import { z } from 'zod';
import { claimTextSchema } from './claim.ts';
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
  screenCopySchema,
} from './job.ts';
import { apiKeySchema, capShape, clientScopeSchema, clientTokenSchema, scopeSchema } from './keys.ts';
import {
  DEFAULT_OVERLAP_SECONDS,
  DEFAULT_RETENTION_HOURS,
  MAX_CLIENT_TOKEN_SECONDS,
  MAX_INLINE_BYTES,
  MAX_OVERLAP_SECONDS,
  MAX_RETENTION_HOURS,
} from './limits.ts';
import { MODEL_PARAMETERS } from './methods/parameters.ts';
import { ANY_METHOD_IDS, METHODS } from './methods/registry.ts';
import { requestedParametersSchema } from './parameters.ts';
import { previewSchema } from './preview.ts';
import { verificationKeySchema } from './signature.ts';
import { jobWebhookSchema } from './webhook-api.ts';

/** The HTTP contract: one schema is the type, the check and the document. Unknown fields are refused. */

const isUploadOrSize = ({ upload_id, width, height }: { upload_id?: string; width?: number; height?: number }) =>
  upload_id === undefined ? width !== undefined && height !== undefined : width === undefined && height === undefined;
const hasOneField = (given: object) => Object.values(given).filter((value) => value !== undefined).length === 1;

/** With parameters, which some programs add to every type (RFC 9110, section 8.3.1). */
const IMAGE_TYPE =
  /^[Ii][Mm][Aa][Gg][Ee]\/[A-Za-z0-9.*+-]{1,50}(?: ?; ?[A-Za-z0-9-]{1,30}=(?:[A-Za-z0-9._-]{1,50}|"[A-Za-z0-9._ -]{1,50}")){0,3};?$/;

export const createUploadSchema = z.strictObject({
  bytes: z.int().min(1).describe('Exact size of the file; the upload is refused when it differs.'),
  content_type: z
    .string()
    .regex(IMAGE_TYPE, 'an image type such as image/jpeg')
    .describe(
      'Sent unchanged as the Content-Type of the upload. The real format is found out from the bytes of the file.',
    ),
  method: z
    .enum(['PUT', 'POST'])
    .default('PUT')
    .describe('PUT: the raw body. POST: an HTML form (multipart/form-data), which needs no preflight in browsers.'),
});

export const uploadSchema = z.object({
  id: z.string(),
  method: z.enum(['PUT', 'POST']),
  url: z.url().describe('Send the file here, without an API key.'),
  headers: z
    .record(z.string(), z.string())
    .describe('Headers that the request must carry, exactly so, and no other of S3 (x-amz-…).'),
  fields: z
    .record(z.string(), z.string())
    .optional()
    .describe(
      'Of POST: form fields to send before the file, which is the last field and called `file`. S3 refuses others, but those called x-ignore-….',
    ),
  resume_url: z
    .url()
    .optional()
    .describe(
      'Where the connection of a PUT broke, HEAD of this URL tells how many bytes have come as `Upload-Offset`, and PATCH with that header and the rest of the file goes on (draft-ietf-httpbis-resumable-upload). Not where S3 keeps the files.',
    ),
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
          z.string().regex(/^(?:content-type|cache-control|if-none-match|x-[a-z0-9-]{1,60})$/),
          z.string().regex(/^[ -~]{1,200}$/),
        )
        .optional()
        .describe('Sent along, for example x-ms-blob-type, or if-none-match where you signed it. In lower case.'),
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
      'Small pictures of the result so far, every two seconds at most, while the job runs: see `live_preview` of the job. They cost nothing, take next to no time, and are erased when the job ends.',
    ),
  webhook: jobWebhookSchema
    .optional()
    .describe('Receiver of messages about this job, beside the endpoints of the account.'),
  quote_id: claimTextSchema.optional().describe('Of `POST /v1/quotes`: the job costs the quoted price.'),
  max_price: z
    .int()
    .min(0)
    .optional()
    .describe('Micro-units. A job that costs more is refused; if its file comes later, it fails then, uncharged.'),
});

export const sizeSchema = z.object({ width: z.int(), height: z.int() });
const side = z.int().min(1).max(1_000_000);

export const createQuoteSchema = requestedParametersSchema.extend({
  // One object, not a choice of two: many generators make one of these in which all is required.
  input: z
    .strictObject({
      upload_id: z.string().min(1).max(64).optional(),
      width: side.optional().describe('Of the photo, upright.'),
      height: side.optional(),
    })
    .refine(isUploadOrSize, { message: 'either upload_id, or width and height' })
    .describe('Either `upload_id`, or `width` and `height`.'),
  preview: previewSchema.optional(),
});

export const quoteSchema = z.object({
  id: z.string().describe('Send it as `quote_id` with the job.'),
  price: z.int().describe('Micro-units: a millionth of the unit of the account.'),
  qualifier: z.literal('exact'),
  expires_at: z.iso.datetime(),
  input: sizeSchema,
  output: sizeSchema.describe('Size of the result.'),
  tiles: z.int().describe('That are computed: those of every stage, where a network runs stage by stage.'),
  steps: z.int().describe('Denoising steps, each over all tiles; 1 for a network that takes none.'),
  eta_seconds: z
    .int()
    .describe('An estimate from the latest jobs of all accounts and the queue: until a job submitted now has ended.'),
});

const screenCopyLinkSchema = screenCopySchema.extend({ url: z.url() }).meta({
  id: 'JobScreenCopy',
  description:
    'WebP of at most 4096 pixels a side, of a photo (`photo_webp`, of TIFF and HEIC) or a result (`output_webp`, of TIFF) that browsers do not show. Kept like the output.',
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
      .meta({
        id: 'JobLivePreview',
        description:
          'With `live_previews`, while the job runs: a JPEG, at most 512 pixels a side, less detailed than the result.',
      })
      .optional(),
    cancel_requested: z.boolean().optional(),
    cancel_at: z.iso.datetime().optional().describe('By the header Cancel-After.'),
    queue: z
      .object({
        position_estimate: z.int().describe('1: it is the next.'),
        ahead_seconds: z.int().describe('Until a worker comes to it.'),
      })
      .meta({
        id: 'JobQueue',
        description:
          'While it waits. Estimated from the length of the queue and from the durations of the latest jobs.',
      })
      .optional(),
    eta: z.iso
      .datetime()
      .optional()
      .describe(
        'When it will have ended: an estimate that changes without a new `version`. Absent where there is none.',
      ),
    cold_start: z.literal(true).optional().describe('The model had to be loaded for it first, which takes its time.'),
    output: outputSchema
      .extend({ url: z.url() })
      .meta({ id: 'JobOutput', description: 'Absent until there is one.' })
      .optional(),
    fidelity_report: fidelityReportSchema.optional(),
    heatmap: heatmapSchema
      .extend({ url: z.url() })
      .meta({
        id: 'JobHeatmap',
        description:
          'PNG to lay over photo or result: the more opaque, the more was added there. Kept like the output.',
      })
      .optional(),
    photo_webp: screenCopyLinkSchema.optional(),
    output_webp: screenCopyLinkSchema.optional(),
    delivery: resultDeliverySchema.optional(),
    error: problemSchema.optional(),
    notes: z.array(z.string()).optional().describe('Data that could not be kept, and decisions made for you.'),
    description: descriptionSchema.optional(),
    charge: chargeSchema,
    links: z.object({
      self: z.url(),
      cancel: z.url().optional(),
      events: z.url().optional().describe('While it is not terminal.'),
      output: z.url().optional(),
      receipt: z.url().optional(),
      heatmap: z.url().optional(),
      photo_webp: z.url().optional(),
      output_webp: z.url().optional(),
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
      captured: z.int().describe('The charged amount, in micro-units.'),
    }),
  ),
});

export const receiptKeysSchema = z.object({ keys: z.array(verificationKeySchema) });

export const createTagsSchema = z.strictObject({
  upload_id: z.string().min(1).max(64).describe('Its file must be there.'),
  model: z
    .enum(METHODS.filter(({ seesTags }) => seesTags).map(({ id }) => id))
    .optional()
    .describe('Default: the first of the two that is installed.'),
});

export const tagsSchema = z.object({
  tags: descriptionSchema.shape.tags,
  image: sizeSchema,
  job_id: z.string(),
});

export const listJobsQuerySchema = z.strictObject({
  cursor: claimTextSchema.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  status: jobStatusSchema.optional(),
  client_reference: z.string().max(255).optional(),
  idempotency_key: z.string().max(255).optional(),
});

export const jobListSchema = z.object({ data: z.array(jobSchema), next_cursor: z.string().optional() });

export const eventsLinkSchema = z.object({ url: z.url(), expires_at: z.iso.datetime() });
/** Of the photo itself. */
export const photoLinkSchema = eventsLinkSchema.extend({ bytes: z.int() });
export const heatmapLinkSchema = z.object({
  url: z.url(),
  expires_at: z.iso
    .datetime()
    .describe('Of this link. The result itself is kept until the expires_at of the job’s output.'),
  bytes: z.int(),
  mime: z.string(),
});
export const outputLinkSchema = heatmapLinkSchema.extend({ sha256: z.string() });
export const livePreviewLinkSchema = livePreviewSchema
  .extend({ url: z.url(), expires_at: z.iso.datetime() })
  .meta({ id: 'LivePreview' });
export const modelListSchema = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      method: z.enum(ANY_METHOD_IDS).describe('Its method: its own id, or the method of a model that was added here.'),
      name: z.string(),
      description: z.string(),
      license: z.string(),
      commercial_use: z.boolean().optional().describe('false: its license forbids it. Absent: read the license.'),
      scale: z.int().describe('Factor of enlargement: the largest `scale` of a job.'),
      installed: z.boolean(),
      default: z.boolean(),
      parameters: z
        .object(MODEL_PARAMETERS)
        .partial()
        .describe('Parameters of this model beside those that all have, and their defaults.'),
      price: z
        .object({
          minimum: z.int(),
          per_output_megapixel: z
            .int()
            .optional()
            .describe(
              'Per 1,000,000 pixels that the network puts out: `scale` times the sides of the photo, however large the result shall be.',
            ),
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
  devices: z
    .array(z.string())
    .optional()
    .describe('What computes: `cpu`, `cuda:0`. Absent where workers run apart from the API.'),
});

export const createKeySchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(100)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it refuses them.
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
    .default(DEFAULT_OVERLAP_SECONDS)
    .describe('The secret until now stays valid so long. 0: at once only the new one is.'),
});

export const createClientTokenSchema = z.strictObject({
  end_user: z
    .string()
    .regex(/^[!-~]{1,128}$/, '1 to 128 printable ASCII characters without spaces')
    .describe('Yours, the same whenever this user comes back; no name or address. The token sees only their things.'),
  ttl_seconds: z.int().min(1).max(MAX_CLIENT_TOKEN_SECONDS).default(MAX_CLIENT_TOKEN_SECONDS),
  max_jobs: z.int().min(1).max(100).default(10).describe('That it may create in all.'),
  max_price: z.int().min(0).optional().describe('Of each job, in micro-units. Default: no limit of its own.'),
  scopes: z.array(clientScopeSchema).min(1).optional().describe('Default: of these four those that the key has.'),
});
export const newClientTokenSchema = clientTokenSchema
  .omit({ account: true })
  .extend({ token: z.string().describe('For Authorization, as a key. Shown this once.') });

const keySchema = apiKeySchema.omit({ account: true });
export const newKeySchema = keySchema.extend({ key: z.string().describe('Shown this once.') });
export const ownKeySchema = z
  .object({
    account: z.string(),
    test: z.literal(true).optional().describe('It is of test mode, which sees nothing of live mode.'),
    end_user: z.string().optional().describe('Of a client token: whose jobs alone it sees.'),
    scopes: z.array(scopeSchema),
  })
  .meta({ id: 'OwnKey' });
export const keyListSchema = z.object({
  data: z.array(
    keySchema.extend({ spent: z.int().describe('Micro-units that its jobs have cost, unfinished ones included.') }),
  ),
});

export type JobView = z.infer<typeof jobSchema>;
