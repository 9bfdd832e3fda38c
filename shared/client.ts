import type { z } from 'zod';
import type {
  balanceSchema,
  createJobSchema,
  createQuoteSchema,
  createUploadSchema,
  eventsLinkSchema,
  JobView,
  jobListSchema,
  listJobsQuerySchema,
  modelListSchema,
  outputLinkSchema,
  quoteSchema,
  receiptKeysSchema,
  uploadSchema,
} from './api.ts';
import type { Problem } from './error.ts';
import { type ApiError, apiError, pause, persist, retryAfterSeconds } from './persist.ts';
import type { signedReceiptSchema } from './receipt.ts';
import { watchEvents } from './watch.ts';

export { type ApiError, isApiError } from './persist.ts';
export { verifyWebhook } from './webhook.ts';

/** The typed client, for browsers and Node: `fetch` and nothing else. Schemas are imported as types only. */

interface ClientOptions {
  /** Where the API is, e.g. `https://api.example.com`. */
  baseUrl: string;
  /** An API key or a client token; a function is asked before every call, so that short tokens can be renewed. */
  key: string | (() => string | Promise<string>);
  /**
   * Refusals that ask to wait longer than this (Retry-After) are thrown, with `retryAfterSeconds`, instead of waited for.
   * Default: 60.
   */
  longestWaitSeconds?: number;
}

interface CallOptions {
  signal?: AbortSignal | undefined;
}

interface SubmitOptions extends CallOptions {
  /** Default: a new one. Keep your own to find a job again whose answer was lost: `list({ idempotency_key })`. */
  idempotencyKey?: string;
}

interface FollowOptions extends CallOptions {
  /** Called with the job whenever something about it has changed. */
  onProgress?: ((job: JobView) => void) | undefined;
}

export type JobRequest = z.input<typeof createJobSchema>;
export type QuoteRequest = z.input<typeof createQuoteSchema>;
export type Quote = z.output<typeof quoteSchema>;
export type ModelList = z.output<typeof modelListSchema>;
export type Balance = z.output<typeof balanceSchema>;
export type SignedReceipt = z.output<typeof signedReceiptSchema>;
export type { JobView, Problem };

type Photo = Blob | Uint8Array<ArrayBuffer>;

/** Of a call that carries no file. */
const PATIENCE_MILLISECONDS = 60_000;
const LONGEST_WAIT_SECONDS = 60;

/**
 * Every method rejects with an `ApiError` when the service refuses, with a `TypeError` when it cannot be reached, and
 * with the signal's reason when it is aborted. What may pass (no connection, 429, 503, …) is tried up to five times,
 * after the time that `Retry-After` asks for or a random one that doubles.
 */
export function createClient({ baseUrl, key, longestWaitSeconds = LONGEST_WAIT_SECONDS }: ClientOptions) {
  const urlOf = (path: string) => `${baseUrl.replace(/\/+$/, '')}${path}`;

  async function call(method: string, path: string, { signal, headers, json }: Call = {}): Promise<Response> {
    const secret = typeof key === 'string' ? key : await key();
    const all = {
      Authorization: `Bearer ${secret}`,
      ...(json !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    };
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const send = () => fetch(urlOf(path), { method, headers: all, signal: patient(signal), ...body });
    return persist(send, { signal, longestWaitSeconds });
  }

  async function read<Body>(method: string, path: string, given?: Call): Promise<Body> {
    return (await (await call(method, path, given)).json()) as Body;
  }

  /** Announces the file and sends it. Resolves to the id that a job names as its input. */
  async function upload(photo: Photo, { signal }: CallOptions = {}): Promise<string> {
    const isBlob = photo instanceof Blob;
    const announced: z.input<typeof createUploadSchema> = {
      bytes: isBlob ? photo.size : photo.byteLength,
      // What the file really is, the service finds out from its bytes.
      content_type: isBlob && photo.type.startsWith('image/') ? photo.type : 'image/unknown',
    };
    const target = await read<z.output<typeof uploadSchema>>('POST', '/v1/uploads', { json: announced, signal });
    const { url, method, headers } = target;
    // 412: the file is there, and only the answer to an earlier attempt was lost.
    const isSent = (status: number) => status === 412;
    const put = () => fetch(url, { method, headers, body: photo, signal: signal ?? null });
    await (await persist(put, { signal, longestWaitSeconds, isFine: isSent })).text(); // read to its end, so that the connection can be used again
    return target.id;
  }

  /** Repeated with one Idempotency-Key it is still one job. */
  function submit(request: JobRequest, { idempotencyKey = randomKey(), signal }: SubmitOptions = {}): Promise<JobView> {
    return read('POST', '/v1/jobs', { json: request, headers: { 'Idempotency-Key': idempotencyKey }, signal });
  }

  /** Send its `id` as `quote_id` with the job: then the price is that of the quote. */
  function quote(request: QuoteRequest, { signal }: CallOptions = {}): Promise<Quote> {
    return read('POST', '/v1/quotes', { json: request, signal });
  }

  function getJob(id: string, { signal }: CallOptions = {}): Promise<JobView> {
    return read('GET', `/v1/jobs/${id}`, { signal });
  }

  /** Asks as often as the service wants to be asked, until the job is terminal: it may have failed. */
  async function follow(id: string, { onProgress, signal }: FollowOptions = {}): Promise<JobView> {
    let etag: string | null = null;
    for (;;) {
      const headers: Record<string, string> = etag === null ? {} : { 'If-None-Match': etag };
      const response = await call('GET', `/v1/jobs/${id}`, { headers, signal });
      if (response.status === 200) {
        const job = (await response.json()) as JobView;
        onProgress?.(job);
        if (job.terminal) return job;
        etag = response.headers.get('ETag');
      }
      const seconds = retryAfterSeconds(response) ?? 2;
      await pause(seconds * 1000 * (1 + 0.2 * Math.random()), signal);
    }
  }

  /** As `follow`, but told of every change as it happens, where the runtime has `EventSource`; else it asks. */
  async function watch(id: string, { onProgress = () => {}, signal }: FollowOptions = {}): Promise<JobView> {
    for (;;) {
      const { url } = await read<z.output<typeof eventsLinkSchema>>('GET', `/v1/jobs/${id}/events_link`, { signal });
      const last = await watchEvents(url, { onProgress, signal });
      if (last?.terminal) return last;
      if (!last) return follow(id, { onProgress, signal });
    }
  }

  function cancel(id: string, { signal }: CallOptions = {}): Promise<JobView> {
    return read('POST', `/v1/jobs/${id}/cancel`, { signal });
  }

  async function download(path: string, signal: AbortSignal | undefined): Promise<Blob> {
    // Not by the redirect: some runtimes would send the key along with it.
    const { url } = await read<z.output<typeof outputLinkSchema>>('GET', `${path}?redirect=false`, { signal });
    const response = await persist(() => fetch(url, { signal: signal ?? null }), { signal, longestWaitSeconds });
    return response.blob();
  }

  /** The result's bytes. */
  function output(id: string, { signal }: CallOptions = {}): Promise<Blob> {
    return download(`/v1/jobs/${id}/output`, signal);
  }

  /**
   * A photo's whole way: upload, submit, follow, output. When `signal` is aborted the job is canceled.
   * Rejects with an `ApiError` when the job fails; it then costs nothing.
   */
  async function restore(
    photo: Photo,
    request: Omit<JobRequest, 'input'> = {},
    { signal, ...options }: SubmitOptions & FollowOptions = {},
  ): Promise<{ job: JobView; result: Blob }> {
    const upload_id = await upload(photo, { signal });
    const submitted = await submit({ ...request, input: { upload_id } }, { ...options, signal });
    options.onProgress?.(submitted);
    try {
      const job = await follow(submitted.id, { ...options, signal });
      if (job.status !== 'succeeded') throw jobError(job);
      return { job, result: await output(job.id, { signal }) };
    } catch (error) {
      if (signal?.aborted) await cancel(submitted.id).catch(() => {}); // it has ended meanwhile
      throw error;
    }
  }

  return {
    upload,
    quote,
    submit,
    job: getJob,
    follow,
    watch,
    cancel,
    output,
    /** A small JPEG of what there is so far, of a job that has a `live_preview`. */
    livePreview: (id: string, { signal }: CallOptions = {}) => download(`/v1/jobs/${id}/live_preview`, signal),
    /** The photo itself, for about a day after it was sent or fetched. */
    photo: (id: string, { signal }: CallOptions = {}) => download(`/v1/jobs/${id}/photo`, signal),
    /** A PNG to lay over the result: the more opaque, the more was added there. Of jobs that have a `heatmap`. */
    heatmap: (id: string, { signal }: CallOptions = {}) => download(`/v1/jobs/${id}/heatmap`, signal),
    restore,
    /** One page of the jobs, newest first; by `idempotency_key` or `client_reference` it finds one that was lost. */
    list(query: z.input<typeof listJobsQuerySchema> = {}): Promise<z.output<typeof jobListSchema>> {
      const pairs = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
      return read('GET', `/v1/jobs?${new URLSearchParams(pairs)}`);
    },
    /** Erases the photo and the result of a job that has ended. */
    async erase(id: string): Promise<void> {
      await call('DELETE', `/v1/jobs/${id}`);
    },
    balance: (): Promise<Balance> => read('GET', '/v1/balance'),
    /** Of a job that has succeeded: what was made of which photo, by what, and for how much. */
    receipt: (id: string): Promise<SignedReceipt> => read('GET', `/v1/jobs/${id}/receipt`),
    /** What receipts can be checked with. */
    receiptKeys: (): Promise<z.output<typeof receiptKeysSchema>> => read('GET', '/v1/receipt_keys'),
    models: (): Promise<ModelList> => read('GET', '/v1/models'),
  };
}

export type Client = ReturnType<typeof createClient>;

interface Call extends CallOptions {
  headers?: Record<string, string>;
  json?: unknown;
}

function patient(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

/** Why there is no result: the job's own error, or that it was canceled or expired. */
function jobError({ id, status, error }: JobView): ApiError {
  const detail = `Job ${id} is ${status}: it has no result.`;
  const title = 'The job ended without an output';
  return apiError(
    error ?? { type: 'about:blank', title, status: 409, detail, code: 'no-output', retryable: false, charged: false },
  );
}

/** 128 random bits. Not `crypto.randomUUID`: pages that come by plain HTTP lack it. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
