import { z } from 'zod';
import type { AppError, Problem } from './error.ts';
import { INPUT_FORMATS } from './image-format.ts';
import { modelFactsSchema } from './methods/model-facts.ts';
import { MODEL_PARAMETERS } from './methods/parameters.ts';
import { BIT_DEPTHS, defaultOutputFormat, isShownByBrowsers, OUTPUT_FORMATS } from './output-format.ts';
import { previewSchema } from './preview.ts';
import type { Rate } from './rate.ts';
import { targetSchema } from './target.ts';
import type { JobWebhook } from './webhook-event.ts';

export const jobStatusSchema = z.enum([
  'awaiting_upload',
  'queued',
  'starting',
  'running',
  'succeeded',
  'failed',
  'canceled',
  'expired',
]);
export type JobStatus = z.infer<typeof jobStatusSchema>;

export const metadataPolicySchema = z.enum(['keep', 'strip', 'strip_location']);

// Documented as a number with a step: generators make a type of its own of an integer `enum`, and some then give it
// a default that is not of that type.
export const bitDepthSchema = z
  .literal(BIT_DEPTHS)
  .meta({ type: 'integer', enum: undefined, minimum: BIT_DEPTHS[0], maximum: BIT_DEPTHS[1], multipleOf: 8 });

/** The complete request: every default is filled in. */
export const parametersSchema = z.object({
  model: z.string(),
  model_facts: modelFactsSchema.optional(),
  scale: z.number().optional().describe('Absent where there is a target.'),
  target: targetSchema.optional(),
  seed: z.int(),
  format: z.enum(OUTPUT_FORMATS),
  bit_depth: bitDepthSchema.optional(),
  quality: z.int(),
  metadata: metadataPolicySchema,
  ...z.object(MODEL_PARAMETERS).partial().shape,
  preview: previewSchema.optional(),
});
export type Parameters = z.infer<typeof parametersSchema>;

export const progressSchema = z.object({
  /** Whole percent of the work of this attempt. */
  percent: z.int().min(0).max(100),
  stage: z.enum([
    'download',
    'load',
    'decode',
    'upscale',
    'compare',
    'describe',
    'encode_latent',
    'denoise',
    'decode_latent',
    'encode_file',
    'upload',
  ]),
  step: z.int().optional(),
  steps: z.int().optional(),
  /** Of the stage, or of the step where there is one. */
  tile: z.int().optional(),
  tiles: z.int().optional(),
});
export type Progress = z.infer<typeof progressSchema>;

export const inputSchema = z.object({
  width: z.int(),
  height: z.int(),
  bytes: z.int(),
  format: z.enum(INPUT_FORMATS),
});
export type JobInput = z.infer<typeof inputSchema>;

export const outputSchema = z.object({
  width: z.int(),
  height: z.int(),
  bytes: z.int(),
  mime: z.string(),
  sha256: z.string(),
  /** Until then the result can be fetched. */
  expires_at: z.iso.datetime(),
});
export type JobOutput = z.infer<typeof outputSchema> & { key: string };

/** Fidelity of the output of the network: in its own size, before it is brought to the asked scale. */
export const fidelityReportSchema = z.object({
  psnr: z.number().describe('Decibels, result made as small as the photo against the photo; 100: no difference.'),
  delta_e: z.number().describe('The same two pictures: mean distance of colors (CIE 1976, as sRGB). 2 is hardly seen.'),
  added_detail: z
    .number()
    .describe('Levels of 0 to 255 by which the result differs from the photo enlarged by a filter (root mean square).'),
});
export type FidelityReport = z.infer<typeof fidelityReportSchema>;

export const heatmapSchema = z.object({ width: z.int(), height: z.int(), bytes: z.int() });
export const screenCopySchema = z.object({ width: z.int(), height: z.int(), bytes: z.int() });
export type ScreenCopy = z.infer<typeof screenCopySchema> & { key: string };
/** WebPs of pictures that browsers do not show. */
export type ScreenCopies = { photo_webp?: ScreenCopy; output_webp?: ScreenCopy };

export type JobHeatmap = z.infer<typeof heatmapSchema> & { key: string };

/** The newest small picture of the progress of a running attempt. */
export const livePreviewSchema = z.object({
  number: z.int().describe('Rises within an attempt: another number, another picture.'),
  width: z.int(),
  height: z.int(),
  step: z.int().optional().describe('Of a diffusion model: after how many of its steps.'),
});
export type LivePreview = z.infer<typeof livePreviewSchema>;

/** Where sampling with a diffusion model can go on, should the attempt end. */
interface JobCheckpoint {
  key: string;
  /** Steps that are done. */
  step: number;
}

/** Damage of a photo, as a method estimates it, and what follows from it. */
export const degradationSchema = z
  .object({
    values: z
      .array(z.object({ name: z.string(), value: z.number() }))
      .describe(
        'Estimates, each in the range that the model was trained on: about 0 at its lower end, 1 at its upper.',
      ),
    mixture: z
      .array(z.number())
      .describe('Weights by which the kernels of its experts are added up for this photo; they may be negative.'),
  })
  .describe('Blur, noise and compression in the photo, of models that restore by them.');

/** What a method saw in the photo: things, of diffusion models that name them, or damage. */
export const descriptionSchema = z.object({
  prompt: z.string().describe('All of it, as the text encoder got it. Empty where the model reads no words.'),
  truncated: z.boolean().describe('That the prompt was longer than the text encoder can read; its end was left out.'),
  tags: z
    .array(z.object({ name: z.string(), score: z.number(), threshold: z.number() }))
    .describe('Found in the photo: score above threshold.'),
  degradation: degradationSchema.optional(),
});
export type Description = z.infer<typeof descriptionSchema>;
export const NOTHING_SEEN: Description = { prompt: '', truncated: false, tags: [] };

export const chargeSchema = z.object({
  state: z
    .enum(['pending', 'reserved', 'captured', 'released'])
    .describe('pending: the photo is not there yet, so that there is no price. released: nothing was charged.'),
  amount: z.int().describe('Micro-units.'),
});

export const resultDeliverySchema = z.object({
  status: z.enum(['pending', 'delivered', 'failed']),
  detail: z.string().optional(),
});

const sha256Schema = z.string().describe('sha256 in hex.');

/** How a result came about, as its worker tells. */
export const runSchema = z.object({
  input: z.object({ sha256: sha256Schema }),
  output: z.object({ width: z.int(), height: z.int(), bytes: z.int(), mime: z.string(), sha256: sha256Schema }),
  weights_sha256: sha256Schema.optional().describe('Of the manifest of the model’s files. Absent in test mode.'),
  tile_size: z.int().describe('Longest side of a tile: pixels of the photo, for diffusion latents.'),
  tiles: z.int().describe('Of each step; 0 where no network was asked.'),
  steps: z.int(),
  seconds: z.record(z.string(), z.number()).describe('By stage, without loading the model.'),
  device: z.string(),
  software: z.string(),
});
export type Run = z.infer<typeof runSchema>;

/** Agreements about the price before it was known, or with a quote. */
export interface PriceTerms {
  max_price?: number;
  /** Holds for a photo of this size. */
  quote?: { width: number; height: number; price: number; rate: Rate };
}

/** A job as it is stored. The API shows a part of it (functions/api/job-view.ts). */
export interface Job {
  id: string;
  account: string;
  /** Of the API key that it was submitted with, itself or through a client token; counts against its caps. */
  key_id?: string;
  /** The client token that it was submitted with. */
  token_id?: string;
  /** Whose it is among the users of the account through client tokens. */
  end_user?: string;
  /** Of a test key: free, and no network runs. */
  test?: true;
  status: JobStatus;
  /** Rises with every change that a client can see. */
  version: number;
  /** Counts claims; the fence: only the current attempt may write. */
  attempt: number;
  /** Attempts that ended in an engine error. */
  failures: number;
  created_at: string;
  started_at?: string;
  finished_at?: string;
  upload_id: string;
  /** Where the upload is in the object store. */
  input_key: string;
  /** Known once the upload has arrived. */
  input?: JobInput;
  parameters: Parameters;
  /** No format was asked for, and the photo, which decides, was not there at submit. */
  format_open?: boolean;
  /** Instead of a picture: only the tags of the photo. */
  task?: 'tags';
  retention_hours: number;
  client_reference?: string;
  idempotency_key?: string;
  /** Where the service fetches the input from. */
  fetch_url?: string;
  /** Where the service puts the result to, beside keeping it. */
  deliver?: { url: string; headers?: Record<string, string> };
  /** Its outcome. */
  delivery?: z.infer<typeof resultDeliverySchema>;
  /** Receiver and events, beside the endpoints of the account. */
  webhook?: JobWebhook;
  /** When `job.progressed` was told last, in milliseconds since 1970. */
  progress_told_at?: number;
  /** Until then it must have ended: `Cancel-After`. */
  cancel_at?: string;
  /** Of the request that it was submitted with, for logs and the receivers of webhooks. */
  trace?: { request_id: string; traceparent: string };
  /** Of the batch that it came with. */
  batch_id?: string;
  /** Its place there, from 0. */
  batch_index?: number;
  /** When the queue took its message, or has it again. */
  sent_at?: string;
  /** Work of the network (shared/pace.ts), in millionths. Of live mode only, since it is queued. */
  work?: number;
  /** How often it took one, since the job waits. */
  sends?: number;
  progress?: Progress;
  /** The model had to be loaded for this attempt. */
  cold_start?: true;
  /** It was asked for live previews. */
  live_previews?: true;
  /** Only while an attempt runs. */
  live_preview?: LivePreview;
  /** Of this or an earlier attempt, until the job ends. */
  checkpoint?: JobCheckpoint;
  cancel_requested?: boolean;
  /** Milliseconds since 1970: until then the current attempt owns the job. */
  lease_until?: number;
  /** `by` of the claim, while its attempt runs. */
  claimed_by?: string;
  output?: JobOutput;
  error?: Problem;
  notes?: string[];
  description?: Description;
  fidelity_report?: FidelityReport;
  /** Erased with the output. */
  heatmap?: JobHeatmap;
  /** Erased with the output, too. */
  photo_webp?: ScreenCopy;
  output_webp?: ScreenCopy;
  charge: z.infer<typeof chargeSchema>;
  terms?: PriceTerms;
  /** By which its price was computed; absent where it is free under any price list. */
  rate?: Rate;
  /** Of a job that has succeeded; stays when its result is gone. */
  run?: Run;
  deleted_at?: string;
  /** When its objects were erased: after `delete`, or when the result's time was over. */
  purged_at?: string;
  /** Milliseconds since 1970 at which the reaper must look at the job; absent: never. */
  due_at?: number;
}

export type JobEvent =
  /** The upload has arrived and was found good. Its price is reserved. */
  | { type: 'uploaded'; input: JobInput; price: number; rate?: Rate }
  /** The queue has taken the job's message. */
  | { type: 'sent' }
  /** A worker takes the job: a new attempt with a lease. `by`: of a worker that may have to ask again, any word of its own. */
  | { type: 'claim'; by?: string }
  | { type: 'heartbeat'; attempt: number }
  | { type: 'progress'; attempt: number; progress: Progress; live_preview?: LivePreview }
  /** It is in the object store; the one before may be erased. */
  | { type: 'checkpoint'; attempt: number; checkpoint: JobCheckpoint }
  | {
      type: 'succeed';
      attempt: number;
      /** Absent where the task is no picture. */
      output?: Omit<JobOutput, 'expires_at'>;
      run?: Run;
      notes: string[];
      description?: Description;
      fidelity_report?: FidelityReport;
      heatmap?: JobHeatmap;
      photo_webp?: ScreenCopy;
      output_webp?: ScreenCopy;
    }
  /** With `attempt`: the attempt found that it can never work. Without: nobody will run it any more. */
  | { type: 'fail'; attempt?: number; error: AppError }
  /**
   * The attempt ends without a result: `error` when the engine failed; none when the worker drains, or the machine or a store is in
   * trouble.
   */
  | { type: 'give_back'; attempt: number; error?: AppError }
  | { type: 'cancel' }
  /** Outcome of sending the result to the URL of the caller. */
  | { type: 'delivered'; delivery: z.infer<typeof resultDeliverySchema> }
  /** The file was looked for, and is not there. Changes nothing where its time is over. */
  | { type: 'missing' }
  /** The upload did not arrive in time. */
  | { type: 'expire' }
  /** Its `cancel_at` may have come, or it has waited too long for a worker. */
  | { type: 'deadline' }
  | { type: 'delete' }
  /** The objects of a deleted job, or a result whose time is over, have been erased. */
  | { type: 'purge' };

const FINAL: readonly JobStatus[] = ['succeeded', 'failed', 'canceled', 'expired'];

export function isTerminal(job: Pick<Job, 'status'>): boolean {
  return FINAL.includes(job.status);
}

/** The parameters of a job whose photo is there. */
export function settleParameters(
  { parameters, format_open }: Pick<Job, 'parameters' | 'format_open'>,
  input: JobInput,
): Parameters {
  const { bit_depth } = parameters;
  return format_open ? { ...parameters, format: defaultOutputFormat(input.format, bit_depth) } : parameters;
}

/** Where an attempt puts the map of its additions: a PNG. */
export function heatmapKey(job: Pick<Job, 'account' | 'id'>, attempt: number): string {
  return `out/${job.account}/${job.id}/${attempt}-heatmap.png`;
}

/** Those that an attempt makes. */
export function screenCopiesOf({ input, parameters, task }: Pick<Job, 'input' | 'parameters' | 'task'>) {
  if (task) return [];
  const names: (keyof ScreenCopies)[] = [];
  if (input && !isShownByBrowsers(input.format)) names.push('photo_webp');
  if (!isShownByBrowsers(parameters.format)) names.push('output_webp');
  return names;
}

/** Where an attempt puts a picture for screens: a WebP. */
export function screenCopyKey(job: Pick<Job, 'account' | 'id'>, attempt: number, name: keyof ScreenCopies): string {
  return `out/${job.account}/${job.id}/${attempt}-${name.replace('_', '.')}`;
}

/** Objects that the live previews of an attempt take turns in: the last but one stays for its readers. */
export const LIVE_PREVIEW_SLOTS = 2;

/** Where an attempt puts a live preview: a JPEG. */
export function livePreviewKey(job: Pick<Job, 'account' | 'id'>, attempt: number, number: number): string {
  return `out/${job.account}/${job.id}/${attempt}-live-${number % LIVE_PREVIEW_SLOTS}.jpg`;
}

/** Objects that the savepoints of an attempt take turns in: the last one stays until the job knows of the next. */
export const CHECKPOINT_SLOTS = 2;

/** Where an attempt puts a savepoint: see gpu-worker/restore/savepoint.ts. */
export function checkpointKey(job: Pick<Job, 'account' | 'id'>, attempt: number, number: number): string {
  return `out/${job.account}/${job.id}/${attempt}-checkpoint-${number % CHECKPOINT_SLOTS}`;
}

/** Where an attempt puts its result in the object store. */
export function outputKey(job: Pick<Job, 'account' | 'id' | 'parameters'>, attempt: number): string {
  return `out/${job.account}/${job.id}/${attempt}.${job.parameters.format}`;
}
