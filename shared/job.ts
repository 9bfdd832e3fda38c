import { z } from 'zod';
import type { AppError, Problem } from './error.ts';
import { defaultOutputFormat, INPUT_FORMATS, OUTPUT_FORMATS } from './image-format.ts';
import { MODEL_IDS, MODEL_PARAMETERS } from './models.ts';
import { previewSchema } from './preview.ts';
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

/** What is asked for, complete: every default is filled in. */
export const parametersSchema = z.object({
  model: z.enum(MODEL_IDS),
  scale: z.number(),
  seed: z.int(),
  format: z.enum(OUTPUT_FORMATS),
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

/** What the model made of the photo: its result four times as large, before it is brought to the asked scale. */
export const fidelityReportSchema = z.object({
  psnr: z.number().describe('Decibels, result made as small as the photo against the photo; 100: no difference.'),
  delta_e: z.number().describe('The same two pictures: mean distance of colors (CIE 1976, as sRGB). 2 is hardly seen.'),
  added_detail: z
    .number()
    .describe('Levels of 0 to 255 by which the result differs from the photo enlarged by a filter (root mean square).'),
});
export type FidelityReport = z.infer<typeof fidelityReportSchema>;

export const heatmapSchema = z.object({ width: z.int(), height: z.int(), bytes: z.int() });
export type JobHeatmap = z.infer<typeof heatmapSchema> & { key: string };

/** The newest small picture of what a running attempt has so far. */
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

/** What a diffusion model was told and saw. */
export const descriptionSchema = z.object({
  prompt: z.string().describe('All of it, as the text encoder got it.'),
  truncated: z.boolean().describe('That the prompt was longer than the text encoder can read; its end was left out.'),
  tags: z
    .array(z.object({ name: z.string(), score: z.number(), threshold: z.number() }))
    .describe('What was found in the photo: score above threshold.'),
});
export type Description = z.infer<typeof descriptionSchema>;

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

/** What was agreed about the price before it was known, or with a quote. */
export interface PriceTerms {
  max_price?: number;
  /** Holds for a photo of this size. */
  quote?: { width: number; height: number; price: number };
}

/** A job as it is stored. The API shows a part of it (functions/api/job-view.ts). */
export interface Job {
  id: string;
  account: string;
  /** Of the API key that it was submitted with, itself or through a client token; counts against its caps. */
  key_id?: string;
  /** The client token that it was submitted with. */
  token_id?: string;
  /** Whose it is among those who use the account through client tokens. */
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
  /** Instead of a picture: only what is seen in the photo. */
  task?: 'tags';
  retention_hours: number;
  client_reference?: string;
  idempotency_key?: string;
  /** Where the service fetches the input from. */
  fetch_url?: string;
  /** Where the service puts the result to, beside keeping it. */
  deliver?: { url: string; headers?: Record<string, string> };
  /** What came of it. */
  delivery?: z.infer<typeof resultDeliverySchema>;
  /** Who is told what about it, beside the endpoints of the account. */
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
  /** When the queue took its message. */
  sent_at?: string;
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
  output?: JobOutput;
  error?: Problem;
  notes?: string[];
  description?: Description;
  fidelity_report?: FidelityReport;
  /** Erased with the output. */
  heatmap?: JobHeatmap;
  charge: z.infer<typeof chargeSchema>;
  terms?: PriceTerms;
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
  | { type: 'uploaded'; input: JobInput; price: number }
  /** The queue has taken the job's message. */
  | { type: 'sent' }
  /** A worker takes the job: a new attempt with a lease. */
  | { type: 'claim' }
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
    }
  /** With `attempt`: the attempt found that it can never work. Without: nobody will run it any more. */
  | { type: 'fail'; attempt?: number; error: AppError }
  /** The attempt ends without a result: `error` when the engine failed, none when the worker drains. */
  | { type: 'give_back'; attempt: number; error?: AppError }
  | { type: 'cancel' }
  /** What came of sending the result to the URL of the caller. */
  | { type: 'delivered'; delivery: z.infer<typeof resultDeliverySchema> }
  /** The upload did not arrive in time. */
  | { type: 'expire' }
  /** Its `cancel_at` may have come. */
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
  return format_open ? { ...parameters, format: defaultOutputFormat(input.format) } : parameters;
}

/** Where an attempt puts the map of what it has added: a PNG. */
export function heatmapKey(job: Pick<Job, 'account' | 'id'>, attempt: number): string {
  return `out/${job.account}/${job.id}/${attempt}-heatmap.png`;
}

/** Objects that the live previews of an attempt take turns in: the last but one stays for whoever is just reading it. */
export const LIVE_PREVIEW_SLOTS = 2;

/** Where an attempt puts a live preview: a JPEG. */
export function livePreviewKey(job: Pick<Job, 'account' | 'id'>, attempt: number, number: number): string {
  return `out/${job.account}/${job.id}/${attempt}-live-${number % LIVE_PREVIEW_SLOTS}.jpg`;
}

/** Objects that the checkpoints of an attempt take turns in: the last one stays until the job knows of the next. */
export const CHECKPOINT_SLOTS = 2;

/** Where an attempt puts a checkpoint: see gpu-worker/pipeline/checkpoint.ts. */
export function checkpointKey(job: Pick<Job, 'account' | 'id'>, attempt: number, number: number): string {
  return `out/${job.account}/${job.id}/${attempt}-checkpoint-${number % CHECKPOINT_SLOTS}`;
}

/** Where an attempt puts its result in the object store. */
export function outputKey(job: Pick<Job, 'account' | 'id' | 'parameters'>, attempt: number): string {
  return `out/${job.account}/${job.id}/${attempt}.${job.parameters.format}`;
}
