import type { Job } from './job.ts';

/**
 * A job without anything that tells of persons: the words of its caller, where it went, the description of the photo.
 * The basis of its price and its receipt stays.
 */
export function withoutWords(job: Job): Job {
  const {
    client_reference: _reference,
    idempotency_key: _key,
    end_user: _user,
    fetch_url: _source,
    deliver: _target,
    delivery,
    webhook: _receiver,
    description: _seen,
    notes: _notes,
    trace: _trace,
    error,
    ...rest
  } = job;
  const {
    prompt: _prompt,
    added_prompt: _added,
    negative_prompt: _unwanted,
    tags: _tags,
    ...parameters
  } = job.parameters;
  return {
    ...rest,
    parameters,
    ...(delivery && { delivery: { status: delivery.status } }),
    ...(error && { error: plain(error) }),
  };
}

/** The detail may name the host of a caller, or quote the request. */
function plain({ errors: _fields, ...error }: NonNullable<Job['error']>): Job['error'] {
  return { ...error, detail: error.title };
}
