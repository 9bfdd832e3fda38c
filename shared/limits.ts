/** Numbers that the API, the worker and the infrastructure share. A test holds them consistent. */

/** An attempt owns its job this long after its last heartbeat. */
export const LEASE_SECONDS = 90;
/** A received message stays hidden this long after it was last extended. */
export const VISIBILITY_SECONDS = 90;
export const HEARTBEAT_SECONDS = LEASE_SECONDS / 3;
/** Without any progress for this long the inference child is taken for stalled and killed. */
export const STALL_SECONDS = 180;
/** Attempts that may end in an engine error before the job fails. */
export const MAX_ATTEMPTS = 3;
/** Deliveries of a message before it goes to the dead letters: a job that keeps killing its worker. */
export const MAX_RECEIVES = 10;
/** On SIGTERM the worker has this long to give its job back. */
export const DRAIN_SECONDS = 20;
/** Then a container is killed. A spot instance is gone 120 seconds after its notice. */
export const STOP_TIMEOUT_SECONDS = 115;

export const UPLOAD_URL_SECONDS = 15 * 60;
export const DOWNLOAD_URL_SECONDS = 60 * 60;
export const EVENTS_LINK_SECONDS = 15 * 60;
/** An input is kept this long after it was announced, unless its jobs are deleted earlier. */
export const UPLOAD_RETENTION_SECONDS = 24 * 60 * 60;
export const DEFAULT_RETENTION_HOURS = 7 * 24;
export const MAX_RETENTION_HOURS = 30 * 24;
export const IDEMPOTENCY_SECONDS = 24 * 60 * 60;
/** A job that is due for its queue this long after it was stored is sent again. */
export const RESEND_SECONDS = 60;
/** When a key may try again that has as many unfinished jobs as it may. */
export const INFLIGHT_RETRY_SECONDS = 5;
/** `last_used_at` of a key is written this often at most. */
export const LAST_USED_SECONDS = 60;
export const MAX_OVERLAP_SECONDS = 7 * 24 * 60 * 60;
export const MAX_CLIENT_TOKEN_SECONDS = 15 * 60;
/** Webhooks that were sent or given up are kept so long in the log. */
export const DELIVERY_RETENTION_SECONDS = 30 * 24 * 60 * 60;
/** To one receiver at a time. */
export const MAX_PARALLEL_DELIVERIES = 2;
/** A quote is kept so long, whatever becomes of the price list. */
export const QUOTE_SECONDS = 15 * 60;
/** That one request for usage may span. */
export const USAGE_DAYS = 366;
/** Of `Prefer: wait`. CloudFront waits a minute for the first byte of an answer. */
export const MAX_WAIT_SECONDS = 55;
export const MAX_JSON_BYTES = 64 * 1024;
/** Of a photo inside a JSON body. */
export const MAX_INLINE_BYTES = 256 * 1024;

/** What one installation accepts; configuration, told in `GET /v1/models`. */
export interface Limits {
  max_upload_bytes: number;
  max_input_pixels: number;
  max_output_pixels: number;
  /** Whether HEIC is read. Its decoder is LGPL and may need a patent license, so it is the operator who installs it. */
  heic?: boolean;
}

export const DEFAULT_LIMITS: Limits = {
  max_upload_bytes: 64 * 1024 * 1024,
  max_input_pixels: 4096 * 4096,
  max_output_pixels: 16384 * 16384,
};
