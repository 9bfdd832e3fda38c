/** Numbers that the API, the worker and the infrastructure share. A test holds them consistent. */

/** An attempt owns its job this long after its last heartbeat. */
export const LEASE_SECONDS = 90;
/** A received message stays hidden this long after it was last extended. */
export const VISIBILITY_SECONDS = 90;
export const HEARTBEAT_SECONDS = LEASE_SECONDS / 3;
/** Without any progress for this long the inference child is taken for stalled and killed. */
export const STALL_SECONDS = 180;
/** Encoding reports nothing on its way, and AVIF takes minutes for a very large picture. */
export const ENCODE_PATIENCE = 5;
/** A worker that gives no sign of life for so long counts as none, for any reason. */
export const SILENCE_SECONDS = (ENCODE_PATIENCE + 1) * STALL_SECONDS;
/** Attempts that may end in an engine error before the job fails. */
export const MAX_ATTEMPTS = 3;
/** Deliveries of a message before it goes to the dead letters: a job that keeps killing its worker. */
export const MAX_RECEIVES = 10;
/** A worker that its stores do not answer for so long is no worker: it ends, and ECS starts another. */
export const DEAF_SECONDS = 120;
/** On SIGTERM the worker has this long to give its job back. */
export const DRAIN_SECONDS = 20;
/** Then a container is killed. A spot instance is gone 120 seconds after its notice. */
export const STOP_TIMEOUT_SECONDS = 115;

export const UPLOAD_URL_SECONDS = 15 * 60;
/** How soon the reaper looks for the file of a job that awaits one, and how often at least; where nobody told of it. */
export const FILE_LOOK_SECONDS = 10;
export const MAX_FILE_LOOK_SECONDS = 30;
export const DOWNLOAD_URL_SECONDS = 60 * 60;
/** A function is held by a stream to its end: Lambda does not tell it when the client goes. */
export const LAMBDA_STREAM_SECONDS = 30;
export const EVENTS_LINK_SECONDS = 15 * 60;
/** A stream of events is never silent for longer. */
export const PING_SECONDS = 15;
/** An input is kept this long after it was announced, unless its jobs are deleted earlier. */
export const UPLOAD_RETENTION_SECONDS = 24 * 60 * 60;
export const DEFAULT_RETENTION_HOURS = 7 * 24;
export const MAX_RETENTION_HOURS = 30 * 24;
export const IDEMPOTENCY_SECONDS = 24 * 60 * 60;
/** A job that is due for its queue this long after it was stored is requeued. */
export const RESEND_SECONDS = 60;
/** A job that waits is requeued, as its message may be lost: first after so long, then after twice that, and so on. */
export const LOST_MESSAGE_SECONDS = 15 * 60;
export const MAX_LOST_MESSAGE_SECONDS = 12 * 60 * 60;
/** The queue forgets a message that nobody takes. */
export const MESSAGE_RETENTION_SECONDS = 4 * 24 * 60 * 60;
/** A job that waits for longer is given up and refunded. */
export const MAX_QUEUED_SECONDS = 7 * 24 * 60 * 60;
/** When a key may try again that has as many unfinished jobs as it may. */
export const INFLIGHT_RETRY_SECONDS = 5;
/** `last_used_at` of a key is written this often at most. */
export const LAST_USED_SECONDS = 60;
/** So long the secret of a rotated key stays valid, where nothing else is asked for. */
export const DEFAULT_OVERLAP_SECONDS = 60 * 60;
export const MAX_OVERLAP_SECONDS = 7 * 24 * 60 * 60;
export const MAX_CLIENT_TOKEN_SECONDS = 15 * 60;
/** Webhooks that were sent or given up are kept so long in the log. */
export const DELIVERY_RETENTION_SECONDS = 30 * 24 * 60 * 60;
/** Batches are kept so long: longer than the results of their jobs, however long these waited. */
export const BATCH_RETENTION_SECONDS = 45 * 24 * 60 * 60;
/** After it was submitted, a job that has ended is only a part of a sum. */
export const RECORD_SECONDS = 90 * 24 * 60 * 60;
/** To one receiver at a time. */
export const MAX_PARALLEL_DELIVERIES = 2;
/** A quote is kept so long, even if the price list changes. */
export const QUOTE_SECONDS = 15 * 60;
/** That one request for usage may span. */
export const USAGE_DAYS = 366;
/** Open event streams of one process, of which an account alone may have half (shared/places.ts). */
export const MAX_STREAMS = 1000;
/** Of `Prefer: wait`. CloudFront waits a minute for the first byte of an answer. */
export const MAX_WAIT_SECONDS = 55;
export const MAX_JSON_BYTES = 64 * 1024;
/** Of a photo inside a JSON body. */
export const MAX_INLINE_BYTES = 256 * 1024;

/** Limits of one installation; configuration, told in `GET /v1/models`. */
export interface Limits {
  max_upload_bytes: number;
  /** Bounds the work of a super-resolution network, which looks at each of them at any size of the result. */
  max_input_pixels: number;
  /** Of the result; of a diffusion model also of all that it makes, since it holds that at once. */
  max_output_pixels: number;
  /** Whether HEIC is read. Its decoder is LGPL and may need a patent license, so the operator installs it. */
  heic?: boolean;
}

export const DEFAULT_LIMITS: Limits = {
  max_upload_bytes: 64 * 1024 * 1024,
  // More than phones make: 12, 24, 48, 50, 64 and 108 megapixels.
  max_input_pixels: 2 ** 27,
  max_output_pixels: 16384 * 16384,
};
