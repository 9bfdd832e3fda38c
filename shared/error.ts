import { z } from 'zod';

/** Every way a request or a job can fail. `retryable`: the same call may succeed later, unchanged. */
const CODES = {
  malformed: { status: 400, title: 'The request could not be read', retryable: false },
  unauthorized: { status: 401, title: 'A valid API key is needed', retryable: false },
  'insufficient-credit': { status: 402, title: 'The balance does not cover the price', retryable: false },
  'spend-cap-reached': { status: 402, title: 'The key may not spend more', retryable: false },
  'origin-not-allowed': { status: 403, title: 'The API key may not be used from this page', retryable: false },
  'idempotency-key-missing': { status: 400, title: 'An Idempotency-Key is needed', retryable: false },
  'token-used-up': { status: 403, title: 'The client token may not create more jobs', retryable: false },
  forbidden: { status: 403, title: 'The API key may not do this', retryable: false },
  'signature-invalid': { status: 403, title: 'The signed URL does not allow this request', retryable: false },
  'not-found': { status: 404, title: 'There is no such resource', retryable: false },
  'method-not-allowed': { status: 405, title: 'The resource does not have this method', retryable: false },
  'request-timeout': { status: 408, title: 'The request took too long', retryable: true },
  'already-finished': { status: 409, title: 'The job has already finished', retryable: false },
  'not-finished': { status: 409, title: 'The job has not finished yet', retryable: true },
  'no-output': { status: 409, title: 'The job ended without an output', retryable: false },
  'lease-held': { status: 409, title: 'Another attempt is running', retryable: true },
  'lease-lost': { status: 409, title: 'The attempt no longer holds the job', retryable: false },
  conflict: { status: 409, title: 'The state of the resource does not allow this', retryable: false },
  gone: { status: 410, title: 'The resource has been deleted', retryable: false },
  'length-required': { status: 411, title: 'Content-Length is needed', retryable: false },
  'already-exists': { status: 412, title: 'The object exists already', retryable: false },
  'precondition-failed': { status: 412, title: 'A condition of the request does not hold', retryable: false },
  'too-large': { status: 413, title: 'The body is too large', retryable: false },
  'unsupported-media-type': { status: 415, title: 'This kind of file is not supported', retryable: false },
  invalid: { status: 422, title: 'The request is not valid', retryable: false },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key belongs to another request',
    retryable: false,
  },
  'image-unreadable': { status: 422, title: 'The image cannot be read', retryable: false },
  'image-too-large': { status: 422, title: 'The image has too many pixels', retryable: false },
  'hdr-unsupported': { status: 422, title: 'HDR images are not supported', retryable: false },
  'output-too-large': { status: 422, title: 'The result would be too large', retryable: false },
  'quote-invalid': { status: 422, title: 'The quote does not hold for this job', retryable: false },
  'price-exceeded': { status: 422, title: 'The job costs more than was allowed', retryable: false },
  'model-unavailable': { status: 422, title: 'The model is not available here', retryable: false },
  'quota-exceeded': { status: 429, title: 'Too many requests', retryable: true },
  'url-refused': { status: 422, title: 'The URL leads where this service does not go', retryable: false },
  'range-not-satisfiable': { status: 416, title: 'The file has no such part', retryable: false },
  'expectation-failed': { status: 417, title: 'The expectation cannot be met', retryable: false },
  'headers-too-large': { status: 431, title: 'The headers are too large', retryable: false },
  internal: { status: 500, title: 'Something went wrong on our side', retryable: true },
  'engine-failed': { status: 500, title: 'The engine failed', retryable: true },
  'output-rejected': { status: 500, title: 'The result was not good enough to be given out', retryable: false },
  'out-of-memory': { status: 500, title: 'The image did not fit into memory', retryable: false },
  'worker-lost': { status: 500, title: 'The worker was lost too often while it ran the job', retryable: true },
  'fetch-failed': { status: 502, title: 'A URL that was given could not be fetched', retryable: true },
  'model-not-loaded': { status: 503, title: 'The model cannot be loaded at this moment', retryable: true },
  unavailable: { status: 503, title: 'The service is not ready', retryable: true },
  'storage-full': { status: 503, title: 'The storage of the service is full', retryable: true },
} as const;

/** The registered type (draft-ietf-httpapi-ratelimit-headers-10, section 5.1). */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

export type ErrorCode = keyof typeof CODES;

const fieldErrorSchema = z.object({
  /** JSON Pointer fragment, `#/scale`. */
  pointer: z.string(),
  message: z.string(),
  expected: z.string().optional(),
  /** The value that was sent instead, as JSON, cut short. */
  received: z.string().optional(),
});

/** RFC 9457 problem details with our extension members. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().optional(),
    code: z.string(),
    request_id: z.string().optional(),
    retryable: z.boolean(),
    charged: z.literal(false),
    errors: z.array(fieldErrorSchema).optional(),
    needed: z.int().optional().describe('Where credit or max_price do not suffice: the price, in micro-units.'),
    available: z.int().optional().describe('The balance, or max_price.'),
    'violated-policies': z.array(z.string()).optional().describe('Of 429: names from RateLimit-Policy.'),
  })
  .meta({ id: 'Problem' });

export type FieldError = z.infer<typeof fieldErrorSchema>;
export type Problem = z.infer<typeof problemSchema>;

/** In micro-units. */
interface Amounts {
  needed: number;
  available: number;
}

interface AppErrorOptions {
  errors?: FieldError[];
  amounts?: Amounts;
  headers?: Record<string, string>;
  violatedPolicies?: string[];
  cause?: unknown;
}

/** The only error class. The message names the rule and the value, and may be shown to the caller. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly errors: FieldError[] | undefined;
  readonly amounts: Amounts | undefined;
  /** Extra response headers, e.g. `Allow`, `Retry-After`. */
  readonly headers: Record<string, string>;
  /** Of `quota-exceeded`. */
  readonly violatedPolicies: string[] | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.errors = options.errors;
    this.amounts = options.amounts;
    this.headers = options.headers ?? {};
    this.violatedPolicies = options.violatedPolicies;
  }

  get status(): number {
    return CODES[this.code].status;
  }

  get retryable(): boolean {
    return CODES[this.code].retryable;
  }
}

/** Any thrown value as a problem document; one that is not an AppError stays unexplained to the caller. */
export function toProblem(error: unknown, requestId?: string): Problem {
  const known = error instanceof AppError ? error : new AppError('internal', 'Unexpected error; the log has it.');
  const { status, title, retryable } = CODES[known.code];
  return {
    type: known.code === 'quota-exceeded' ? QUOTA_EXCEEDED : `urn:seesr-cloud:problem:${known.code}`,
    title,
    status,
    detail: known.message,
    code: known.code,
    retryable,
    charged: false,
    ...(requestId && { instance: `urn:request:${requestId}`, request_id: requestId }),
    ...(known.errors && { errors: known.errors }),
    ...known.amounts,
    ...(known.violatedPolicies && { 'violated-policies': known.violatedPolicies }),
  };
}
