import { AppError } from '../../error.ts';

/** Names of the parts of an installation, for its operator and its callers. */
export const STORAGE = 'storage (S3)';
export const QUEUE = 'queue (SQS)';
export const STATE = 'state (DynamoDB)';
type Part = typeof STORAGE | typeof QUEUE | typeof STATE;

interface ServiceError {
  name?: string;
  $metadata?: { httpStatusCode?: number };
}

const RETRY_SECONDS = 5;
/**
 * Refused, or sent elsewhere: region, keys, clock, rights, a writer that meets another one, too many requests. Not for
 * the content of the request.
 */
const REFUSALS = [301, 307, 401, 403, 408, 409, 429];
/** All other answers of 404 mean that the part itself is not where it should be. */
const NOTHING_THERE = ['NoSuchKey', 'NoSuchUpload', 'NotFound'];
/**
 * The services that speak JSON answer 400 where others have a status of their own. `Unknown`: S3 has no words for a
 * HEAD, of which nothing but keys and region can be wrong.
 */
const PASSING_NAMES =
  /throttl|throughput|LimitExceeded|OverLimit|SlowDown|TooManyRequests|RequestTimeout|Expired|Token|Signature|Authorization|AccessDenied|UnrecognizedClient|ResourceNotFound|NonExistentQueue|QueueDoesNotExist|InvalidAddress|NoSuchBucket|^KMS|^Unknown$/i;

/** Of an answer of a service; undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError).$metadata?.httpStatusCode;
}

/** `unavailable`, with the name of the part, for errors that every request meets at this moment; others as they are. */
export function asTrouble(part: Part, error: unknown): unknown {
  return error instanceof AppError || !isTrouble(error) ? error : unavailable(part, error);
}

export function unavailable(part: Part, cause?: unknown): AppError {
  return new AppError('unavailable', `The ${part} does not answer as it should at this moment; come again.`, {
    cause,
    headers: { 'Retry-After': String(RETRY_SECONDS) },
  });
}

function isTrouble(error: unknown): boolean {
  const status = statusOf(error);
  const { name = '' } = error as ServiceError;
  // Nobody answered, or there are no keys, or no region, to ask with.
  if (status === undefined || status >= 500 || REFUSALS.includes(status)) return true;
  return status === 404 ? !NOTHING_THERE.includes(name) : status === 400 && PASSING_NAMES.test(name);
}

/** For every request of the client, after its own repeats: trouble of the part is told as `asTrouble` does. */
export function tellTrouble<Client extends { middlewareStack: object }>(client: Client, part: Part): Client {
  // Every client has its own type for the content of its stack; nothing is looked at here.
  const stack = client.middlewareStack as { add(middleware: Middleware, options: object): void };
  const middleware: Middleware = (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      throw asTrouble(part, error);
    }
  };
  stack.add(middleware, { name: 'tellTrouble', step: 'initialize', priority: 'high', override: true });
  return client;
}

type Middleware = (next: Handler) => Handler;
type Handler = (request: unknown) => Promise<unknown>;
