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
  ownKeySchema,
  quoteSchema,
  receiptKeysSchema,
  uploadSchema,
} from './api.ts';
import { isFault, unreachable } from './client-fault.ts';
import type { Problem } from './error.ts';
import { patiently } from './patience.ts';
import { type Answer, type ApiError, apiError, pause, persist, retryAfterSeconds } from './persist.ts';
import type { signedReceiptSchema } from './receipt.ts';
import {
  createReceiving,
  createSending,
  foreign,
  isPage,
  lengthOf,
  type Photo,
  readText,
  type Transfer,
} from './transfer.ts';
import { watchEvents } from './watch.ts';

export { type Fault, type FaultError, isFault } from './client-fault.ts';
export { type ApiError, isApiError } from './persist.ts';
export type { Transfer } from './transfer.ts';
export { verifyWebhook } from './webhook.ts';

/**
 * The typed client, for every runtime with `fetch` and `AbortController`: browsers, Node, React Native. Features of
 * only some of them are used where they are there. Schemas are imported as types only.
 */

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
  /** A transfer of a file in which nothing moves for so long is given up, and tried again. Default: 30. */
  stallSeconds?: number;
  /** For calls of the API, not for files. Default: that of the runtime. */
  fetch?: typeof fetch;
}

interface TransferCall extends CallOptions {
  /** How far the file is. Where the runtime does not tell, once in the end or never. */
  onTransfer?: ((transfer: Transfer) => void) | undefined;
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

const LONGEST_WAIT_SECONDS = 60;
const STALL_SECONDS = 30;

/**
 * Every method rejects with an `ApiError` when the service refuses, with a `FaultError` when no answer of it comes
 * (`fault` says why: unreachable, stalled, foreign, unreadable), and with the signal's reason when it is aborted. A
 * failure that may pass (no connection, 429, 503, …) is tried up to five times, after the time that `Retry-After` asks
 * for or a random one that doubles; files as long as each five of these tries bring them on.
 */
export function createClient(options: ClientOptions) {
  const { baseUrl, key, longestWaitSeconds = LONGEST_WAIT_SECONDS, stallSeconds = STALL_SECONDS } = options;
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const urlOf = (path: string) => `${baseUrl.replace(/\/+$/, '')}${path}`;

  async function call(method: string, path: string, { signal, headers, json }: Call = {}): Promise<Answer> {
    const secret = typeof key === 'string' ? key : await key();
    // Throws for values that no header can hold, which is no matter of the connection.
    const all = new Headers({
      Authorization: `Bearer ${secret}`,
      ...(json !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    });
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const ask = async (given: AbortSignal) => {
      const answer = await send(urlOf(path), { method, headers: all, signal: given, ...body })
        .then(readText)
        .catch(unreachable);
      if (answer.ok && isPage(answer)) throw foreign();
      return answer;
    };
    return persist(() => patiently(ask, { signal }), { signal, longestWaitSeconds });
  }

  async function read<Body>(method: string, path: string, given?: Call): Promise<Body> {
    return parse(await call(method, path, given));
  }

  /** Five tries, and five more as long as they bring the file on. */
  async function persistFile(
    { attempt, moved }: { attempt: () => Promise<Answer>; moved: () => number },
    options: { signal: AbortSignal | undefined; isFine?: (status: number) => boolean },
  ): Promise<void> {
    for (;;) {
      const before = moved();
      try {
        await persist(attempt, { longestWaitSeconds, ...options });
        return;
      } catch (error) {
        if (options.signal?.aborted || !isFault(error) || moved() <= before) throw error;
      }
    }
  }

  /** Announces the file and sends it. Resolves to the id that a job names as its input. */
  async function upload(photo: Photo, { signal, onTransfer = () => {} }: TransferCall = {}): Promise<string> {
    const announced: z.input<typeof createUploadSchema> = {
      bytes: lengthOf(photo),
      content_type: photo instanceof Uint8Array ? UNKNOWN_IMAGE : imageType(photo.type),
    };
    const target = await read<z.output<typeof uploadSchema>>('POST', '/v1/uploads', { json: announced, signal });
    const sending = createSending(target, photo, { signal, stallSeconds, onTransfer });
    // 412: the file is there, and only the answer to an earlier attempt was lost.
    await persistFile(sending, { signal, isFine: (status) => status === 412 });
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
        const job = await parse<JobView>(response);
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

  async function download(path: string, { signal, onTransfer = () => {} }: TransferCall = {}): Promise<Blob> {
    // Not by the redirect: some runtimes would send the key along with it. Older services have no route for the link.
    const link = await read<{ url: string; bytes?: number }>('GET', `${path}?redirect=false`, { signal });
    const receiving = createReceiving(link.url, link.bytes, { signal, stallSeconds, onTransfer });
    await persistFile(receiving, { signal });
    return receiving.file();
  }

  const fileAt = (name: string) => (id: string, options?: TransferCall) => download(`/v1/jobs/${id}/${name}`, options);
  const output = fileAt('output');

  /**
   * A photo's whole way: upload, submit, follow, output. When `signal` is aborted the job is canceled.
   * Rejects with an `ApiError` when the job fails; it then costs nothing.
   */
  async function restore(
    photo: Photo,
    request: Omit<JobRequest, 'input'> = {},
    { signal, onTransfer, ...options }: SubmitOptions & FollowOptions & TransferCall = {},
  ): Promise<{ job: JobView; result: Blob }> {
    const upload_id = await upload(photo, { signal, onTransfer });
    const submitted = await submit({ ...request, input: { upload_id } }, { ...options, signal });
    options.onProgress?.(submitted);
    try {
      const job = await follow(submitted.id, { ...options, signal });
      if (job.status !== 'succeeded') throw jobError(job);
      return { job, result: await output(job.id, { signal, onTransfer }) };
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
    /** The result's bytes. */
    output,
    /** A small JPEG of the result so far, of a job that has a `live_preview`. */
    livePreview: fileAt('live_preview'),
    /** The photo itself, for about a day after it was sent or fetched. */
    photo: fileAt('photo'),
    /** A PNG to lay over the result: the more opaque, the more was added there. Of jobs that have a `heatmap`. */
    heatmap: fileAt('heatmap'),
    /** Of jobs that have them: WebPs of a photo and a result that browsers do not show. */
    photoWebp: fileAt('photo_webp'),
    outputWebp: fileAt('output_webp'),
    restore,
    /** One page of the jobs, newest first; by `idempotency_key` or `client_reference` it finds one that was lost. */
    list(
      query: z.input<typeof listJobsQuerySchema> = {},
      options?: CallOptions,
    ): Promise<z.output<typeof jobListSchema>> {
      const given = Object.entries(query).filter(([, value]) => value !== undefined);
      const pairs = given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
      return read('GET', `/v1/jobs?${pairs.join('&')}`, options);
    },
    /** Erases the photo and the result of a job that has ended. */
    async erase(id: string, options?: CallOptions): Promise<void> {
      await call('DELETE', `/v1/jobs/${id}`, options);
    },
    /** Whose the key is that asks. */
    ownKey: (options?: CallOptions): Promise<z.output<typeof ownKeySchema>> => read('GET', '/v1/key', options),
    balance: (options?: CallOptions): Promise<Balance> => read('GET', '/v1/balance', options),
    /** Of a job that has succeeded: its photo, its parameters, its run and its price. */
    receipt: (id: string, options?: CallOptions): Promise<SignedReceipt> =>
      read('GET', `/v1/jobs/${id}/receipt`, options),
    /** Keys that receipts can be checked with. */
    receiptKeys: (options?: CallOptions): Promise<z.output<typeof receiptKeysSchema>> =>
      read('GET', '/v1/receipt_keys', options),
    models: (options?: CallOptions): Promise<ModelList> => read('GET', '/v1/models', options),
  };
}

export type Client = ReturnType<typeof createClient>;

interface Call extends CallOptions {
  headers?: Record<string, string>;
  json?: unknown;
}

async function parse<Body>(answer: Answer): Promise<Body> {
  try {
    return JSON.parse(await answer.text());
  } catch {
    throw foreign();
  }
}

/** The service finds out the real format from the bytes. */
const UNKNOWN_IMAGE = 'image/unknown';

function imageType(type: string): string {
  return /^image\/[a-z0-9]/i.test(type) ? type : UNKNOWN_IMAGE;
}

/** Why there is no result: the job's own error, or that it was canceled or expired. */
function jobError({ id, status, error }: JobView): ApiError {
  const detail = `Job ${id} is ${status}: it has no result.`;
  const title = 'The job ended without an output';
  return apiError(
    error ?? { type: 'about:blank', title, status: 409, detail, code: 'no-output', retryable: false, charged: false },
  );
}

/** 128 bits that nobody else has; they are no secret. React Native has no `crypto`, pages that come by plain HTTP half of it. */
function randomKey(): string {
  const { crypto } = globalThis as Partial<Pick<typeof globalThis, 'crypto'>>;
  const bytes = new Uint8Array(16).map(() => Math.random() * 256);
  crypto?.getRandomValues?.(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
