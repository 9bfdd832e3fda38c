import type { z } from '@hono/zod-openapi';
import type { Context, ErrorHandler, NotFoundHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { AppError, type FieldError, toProblem } from '../../shared/error.ts';
import type { Log } from '../../shared/log.ts';
import { asStoreError } from '../../shared/store-error.ts';
import type { Environment } from './dependencies.ts';

/** Asked all the time; the log has each trouble that it tells of once. */
const WATCHED = '/readyz';
const MAX_FIELD_ERRORS = 20;
const MAX_RECEIVED_LENGTH = 80;

/** The one place where an error becomes an answer. Errors other than AppError are logged and stay unexplained. */
export function createErrorHandler(log: Log): ErrorHandler<Environment> {
  return (thrown, c) => {
    const error = thrown instanceof HTTPException ? fromHttpException(thrown, c) : asStoreError(thrown);
    const { method, path } = c.req;
    if (path !== WATCHED && (!(error instanceof AppError) || error.status >= 500)) {
      const fields = { request_id: c.get('requestId'), method, path, error };
      // A phone that loses its network in the middle of an upload is no fault of ours.
      if (c.req.raw.signal.aborted) log.info('client-left', fields);
      else log.error('request-failed', fields);
    }
    return problemResponse(c, error);
  };
}

export const handleNotFound: NotFoundHandler<Environment> = (c) =>
  problemResponse(c, new AppError('not-found', `There is nothing at ${c.req.path}.`));

export function handleMethodNotAllowed(c: Context, methods: readonly string[]): Response {
  const allow = methods.join(', ');
  const message = `${c.req.path} does not have ${c.req.method}; it has ${allow}.`;
  return problemResponse(c, new AppError('method-not-allowed', message, { headers: { Allow: allow } }));
}

/** Given to zod-openapi: called with the outcome of each check of a request against its schema. */
export function refuseInvalid(
  result: { target: string; data?: unknown } & ({ success: true } | { success: false; error: z.core.$ZodError }),
  c: Context,
): void {
  if (result.success) return;
  // An id that no resource can have is a resource that does not exist.
  if (result.target === 'param') throw new AppError('not-found', `There is nothing at ${c.req.path}.`);
  const issues = result.error.issues.slice(0, MAX_FIELD_ERRORS);
  const errors = issues.flatMap((issue) => toFieldErrors(issue, result.data)).slice(0, MAX_FIELD_ERRORS);
  const message = `is not valid: ${sentencesOf(errors)}.`;
  if (result.target === 'header') throw new AppError('malformed', `A request header ${message}`);
  if (result.target === 'query') throw new AppError('invalid', `The query ${message}`, { errors });
  throw invalidBody(errors);
}

export function invalidBody(errors: FieldError[]): AppError {
  return new AppError('invalid', `The body is not valid: ${sentencesOf(errors)}.`, { errors });
}

function sentencesOf(errors: readonly FieldError[]): string {
  return errors
    .map(({ pointer, message, received }) => `${pointer}: ${message}${received ? `, received ${received}` : ''}`)
    .join('; ');
}

function problemResponse(c: Context, error: unknown): Response {
  const problem = toProblem(error, c.get('requestId'));
  return c.body(JSON.stringify(problem), problem.status as ContentfulStatusCode, {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    ...(error instanceof AppError && error.headers),
  });
}

/** Hono and zod-openapi throw these themselves, for bodies that they cannot read. */
function fromHttpException(exception: HTTPException, c: Context): AppError | HTTPException {
  if (exception.status === 400) {
    return new AppError('malformed', 'The body is not valid JSON.', { cause: exception });
  }
  if (exception.status === 415) {
    const given = c.req.header('Content-Type') ?? 'missing';
    return new AppError('unsupported-media-type', `The Content-Type is ${given}; it must be application/json.`);
  }
  return exception;
}

function toFieldErrors(issue: z.core.$ZodIssue, data: unknown): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: jsonPointer([...issue.path, key]), message: 'is not a known field' }));
  }
  const expected = expectedOf(issue);
  const received = receivedAt(issue.path, data);
  const error = { pointer: jsonPointer(issue.path), message: issue.message };
  return [{ ...error, ...(expected && { expected }), ...(received && { received }) }];
}

/** The value that breaks the rule, as JSON, cut short; nothing where there is none. Bodies are not nested deeply. */
function receivedAt(path: readonly PropertyKey[], data: unknown): string | undefined {
  let value = data;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  if (path.length === 0) return undefined;
  // 1e999 is read as Infinity, which JSON would tell as null.
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text?.slice(0, MAX_RECEIVED_LENGTH).toWellFormed();
}

function expectedOf(issue: z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected;
    case 'invalid_value':
      return issue.values.join(', ');
    case 'too_small':
      return `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'invalid_format':
      return issue.pattern ?? issue.format;
    default:
      return undefined;
  }
}

/** URI fragment form of RFC 6901; names that nobody would give are cut short. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  const segments = path.map((segment) =>
    String(segment).slice(0, MAX_RECEIVED_LENGTH).replaceAll('~', '~0').replaceAll('/', '~1').toWellFormed(),
  );
  return ['#', ...segments.map(encodeURIComponent)].join('/');
}
