import type { z } from 'zod';
import type {
  createJobSchema,
  createQuoteSchema,
  createUploadSchema,
  JobView,
  jobListSchema,
  listJobsQuerySchema,
  modelListSchema,
  outputLinkSchema,
  quoteSchema,
  uploadSchema,
} from './api.ts';
import type { Problem } from './error.ts';

export { verifyWebhook } from './webhook.ts';

/** The typed client, for browsers and Node: `fetch` and nothing else. Schemas are imported as types only. */

interface ClientOptions {
  /** Where the API is, e.g. `https://api.example.com`. */
  baseUrl: string;
  /** An API key or a client token; a function is asked before every call, so that short tokens can be renewed. */
  key: string | (() => string | Promise<string>);
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
export type { JobView, Problem };

/** What a refused call throws, and `restore` for a job that ended without a result. */
export type ApiError = Error & { problem: Problem };

type Photo = Blob | Uint8Array<ArrayBuffer>;

const ATTEMPTS = 5;
const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 15_000;
/** Of a call that carries no file. */
const PATIENCE_MILLISECONDS = 60_000;
const PASSING = [408, 425, 429, 500, 502, 503, 504];

export function isApiError(error: unknown): error is ApiError {
  return error instanceof Error && 'problem' in error;
}

/**
 * Every method rejects with an `ApiError` when the service refuses, with a `TypeError` when it cannot be reached, and
 * with the signal's reason when it is aborted. What may pass (no connection, 429, 503, …) is tried up to five times,
 * after the time that `Retry-After` asks for or a random one that doubles.
 */
export function createClient({ baseUrl, key }: ClientOptions) {
  const urlOf = (path: string) => `${baseUrl.replace(/\/+$/, '')}${path}`;

  async function call(method: string, path: string, { signal, headers, json }: Call = {}): Promise<Response> {
    const secret = typeof key === 'string' ? key : await key();
    const all = {
      Authorization: `Bearer ${secret}`,
      ...(json !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    };
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    return persist(() => fetch(urlOf(path), { method, headers: all, signal: patient(signal), ...body }), signal);
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
    await (await persist(put, signal, isSent)).text(); // read to its end, so that the connection can be used again
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

  function cancel(id: string, { signal }: CallOptions = {}): Promise<JobView> {
    return read('POST', `/v1/jobs/${id}/cancel`, { signal });
  }

  async function download(path: string, signal: AbortSignal | undefined): Promise<Blob> {
    // Not by the redirect: some runtimes would send the key along with it.
    const { url } = await read<z.output<typeof outputLinkSchema>>('GET', `${path}?redirect=false`, { signal });
    const response = await persist(() => fetch(url, { signal: signal ?? null }), signal);
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
    cancel,
    output,
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
    models: (): Promise<ModelList> => read('GET', '/v1/models'),
  };
}

export type Client = ReturnType<typeof createClient>;

interface Call extends CallOptions {
  headers?: Record<string, string>;
  json?: unknown;
}

/** Sends until there is an answer that will stay: 2xx, 304, or what `isFine` takes; throws for a refusal. */
async function persist(
  send: () => Promise<Response>,
  signal: AbortSignal | undefined,
  isFine: (status: number) => boolean = () => false,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === ATTEMPTS;
    const response = await send().catch((error: unknown) => {
      if (isLast || signal?.aborted) throw error;
      return undefined;
    });
    if (response && (response.ok || response.status === 304 || isFine(response.status))) return response;
    if (response && (isLast || !PASSING.includes(response.status))) throw await refusal(response);
    const backoff = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** attempt) * Math.random();
    const asked = response && retryAfterSeconds(response);
    await pause(asked === undefined ? backoff : asked * 1000 + FIRST_PAUSE_MILLISECONDS * Math.random(), signal);
  }
}

function patient(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

function retryAfterSeconds(response: Response): number | undefined {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text();
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  return apiError(isProblem ? (JSON.parse(text) as Problem) : unexplained(response.status, text));
}

/** A proxy answered, not the service. */
function unexplained(status: number, text: string): Problem {
  const detail = text.slice(0, 200) || `The answer was ${status}, without a word.`;
  const retryable = PASSING.includes(status);
  return {
    type: 'about:blank',
    title: `HTTP ${status}`,
    status,
    detail,
    code: 'unexplained',
    retryable,
    charged: false,
  };
}

/** Why there is no result: the job's own error, or that it was canceled or expired. */
function jobError({ id, status, error }: JobView): ApiError {
  const detail = `Job ${id} is ${status}: it has no result.`;
  const title = 'The job ended without an output';
  return apiError(
    error ?? { type: 'about:blank', title, status: 409, detail, code: 'no-output', retryable: false, charged: false },
  );
}

function apiError(problem: Problem): ApiError {
  return Object.assign(new Error(problem.detail), { name: 'ApiError', problem });
}

/** 128 random bits. Not `crypto.randomUUID`: pages that come by plain HTTP lack it. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
