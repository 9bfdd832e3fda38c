import type { Batch } from './batch.ts';
import type { Creation, Idempotency } from './idempotency.ts';
import type { Job, JobEvent, JobStatus } from './job.ts';
import type { ApiKey, ClientToken } from './keys.ts';
import type { LedgerEntry, Statement } from './ledger.ts';
import type { AnyMethodId } from './methods/registry.ts';
import type { Outbox } from './outbox-port.ts';
import type { PaceSample, Paces } from './pace.ts';
import type { WorkCounts } from './work-counts.ts';

/** Large binary objects by key. Keys are `/`-separated segments of letters, digits, `_`, `-` and `.`. */
export interface ObjectStore {
  /**
   * Creates the object, whole or not at all. Throws `already-exists` when the key is taken by other bytes: the same ones are
   * those of a call whose answer was lost, or that failed at its end.
   */
  put(key: string, body: ReadableStream<Uint8Array>, options: { contentType: string }): Promise<{ bytes: number }>;
  /** `range`: the first and the last byte, inclusive; a range past the end is cut off. Null: no such object. */
  get(key: string, range?: { first: number; last: number }): Promise<StoredObject | null>;
  /** Null: no such object. */
  head(key: string): Promise<{ bytes: number; contentType: string } | null>;
  /** Deleting a missing object succeeds. */
  delete(key: string): Promise<void>;
  /** A request that anybody may send once until `expiresAt` (ms): exactly these bytes of this type under this key. */
  signUpload(upload: { key: string; contentType: string; bytes: number; expiresAt: number }): Promise<{
    method: 'PUT';
    url: string;
    headers: Record<string, string>;
    /** Of stores that can: HEAD tells how much has come, and PATCH goes on from there. */
    resume_url?: string;
  }>;
  /**
   * As `signUpload`, for an HTML form: `fields` come first and in any order, then the file as the last field, `file`
   * (POST policy of S3).
   */
  signForm(upload: {
    key: string;
    contentType: string;
    bytes: number;
    expiresAt: number;
  }): Promise<{ method: 'POST'; url: string; fields: Record<string, string> }>;
  /**
   * A URL that anybody may GET until `expiresAt` (ms), or with `method` ask for its headers; a browser saves it as
   * `filename`.
   */
  signDownload(download: {
    key: string;
    filename: string;
    expiresAt: number;
    method?: 'GET' | 'HEAD';
  }): Promise<string>;
}

interface StoredObject {
  body: ReadableStream<Uint8Array>;
  /** Of the body, which may be a range. */
  bytes: number;
  contentType: string;
}

/** At-least-once delivery of job ids, fair between tenants, with the semantics of SQS. */
export interface JobQueue {
  send(message: { jobId: string; tenant: string }): Promise<void>;
  /** One message, hidden from others for `visibilitySeconds`; null when none came within `waitSeconds` or on abort. */
  receive(options: {
    visibilitySeconds: number;
    waitSeconds: number;
    signal?: AbortSignal;
  }): Promise<QueueMessage | null>;
  /** Hides the message for so long from now; 0 gives it back. False: the receipt is no longer the newest. */
  extend(receipt: string, visibilitySeconds: number): Promise<boolean>;
  /** False: the receipt is no longer the newest. */
  delete(receipt: string): Promise<boolean>;
  /** Approximate, as with SQS. */
  depth(): Promise<{ visible: number; inFlight: number }>;
}

export interface QueueMessage {
  jobId: string;
  tenant: string;
  receipt: string;
  /** 1 on the first delivery. */
  receiveCount: number;
}

export interface Upload {
  id: string;
  account: string;
  /** As of a job. */
  end_user?: string;
  test?: true;
  /** The client token that announced it; counts against its files. */
  token_id?: string;
  key: string;
  content_type: string;
  /** As announced; of a file that the service fetches, as received. */
  bytes: number;
  created_at: string;
  /** Until then the signed request is valid. */
  expires_at: string;
  /** A job has made a result of it: it counts no longer against the files of its account. */
  restored?: true;
}

export interface Account {
  id: string;
  name: string;
  created_at: string;
}

/** Of all accounts, since the store began. */
interface Totals {
  /** By status, deleted ones too. */
  jobs: Record<JobStatus, number>;
  /** When the oldest queued job was submitted. */
  oldest_queued_at?: string;
  /** By model, of live mode. */
  work: WorkCounts;
  /** Micro-units. */
  captured: number;
  released: number;
}

export interface UsageRow {
  /** `2026-01-31` */
  day: string;
  model: string;
  jobs: number;
  succeeded: number;
  /** Micro-units. */
  captured: number;
}

export interface JobFilter {
  account: string;
  end_user?: string | undefined;
  /** Absent: those of live and of test mode. */
  test?: boolean | undefined;
  /** Opaque, from `next_cursor`. Throws `malformed` when it is not one of ours. */
  cursor?: string | undefined;
  /** 1..100 */
  limit: number;
  status?: JobStatus | undefined;
  client_reference?: string | undefined;
  idempotency_key?: string | undefined;
  upload_id?: string | undefined;
  batch_id?: string | undefined;
}

/**
 * Durable state. Each verb is one transaction: it happens whole or not at all, and is on disk when it returns. A verb
 * that creates something counts against the rate limits of its account that the store was made with: `quota-exceeded`.
 */
export interface StateStore extends Outbox {
  createAccount(account: Account): Promise<void>;
  getAccount(id: string): Promise<Account | null>;
  /** Once per `payment`: a repeat changes nothing. */
  topUp(topUp: { account: string; amount: number; payment: string }): Promise<void>;
  getBalance(account: string): Promise<number>;
  /** Oldest first. */
  listLedger(filter: { account: string; job_id?: string }): Promise<LedgerEntry[]>;
  /** Oldest first. */
  listAccounts(): Promise<Account[]>;
  /** Balance, ledger and jobs as they were at one moment. Throws `not-found`. */
  getStatement(account: string): Promise<Statement>;
  /** By the days (UTC, both included) on which jobs were submitted, and by model. Throws `invalid`: `to` before `from`. */
  getUsage(filter: { account: string; test: boolean; from: string; to: string }): Promise<UsageRow[]>;

  /** `hash`: SHA-256 of the secret (shared/keys.ts). A repeat is told as by `createJob`. */
  createKey(key: ApiKey, hash: string, idempotency?: Idempotency): Promise<Creation>;
  /** By any secret that is valid now. Also finds revoked and expired keys: the caller judges. */
  findKey(hash: string): Promise<ApiKey | null>;
  /** Oldest first. `spent`: the amount that counts against the spend cap, micro-units. */
  listKeys(account: string): Promise<(ApiKey & { spent: number })[]>;
  /** Null: the account has no such key. Revoking twice keeps the first time. */
  revokeKey(account: string, id: string): Promise<ApiKey | null>;
  /**
   * Gives the key a new secret. The one that it had stays valid for `overlapSeconds`, and an earlier one no longer than
   * that. A repeat is told as by `createJob`. Null: the account has no such key. Throws `conflict` for a revoked key.
   */
  rotateKey(
    account: string,
    id: string,
    secret: { hash: string; last4: string; overlapSeconds: number; rotated_at: string },
    idempotency?: Idempotency,
  ): Promise<Creation | null>;
  /** Notes that the key is being used, when the last note is LAST_USED_SECONDS old. */
  touchKey(id: string): Promise<void>;
  /** A repeat is told as by `createJob`. */
  createClientToken(token: ClientToken, hash: string, idempotency?: Idempotency): Promise<Creation>;
  /** With the key that it is of. Also finds expired ones, for a while, and those of revoked keys: the caller judges. */
  findClientToken(hash: string): Promise<{ token: ClientToken; key: ApiKey } | null>;

  /** A repeat is told as by `createJob`. Throws `token-used-up`, and `quota-exceeded` (policy `uploads`). */
  createUpload(upload: Upload, idempotency?: Idempotency): Promise<Creation>;
  getUpload(id: string): Promise<Upload | null>;
  /** Null: there is no such upload. */
  updateUpload(id: string, change: Partial<Pick<Upload, 'expires_at' | 'bytes'>>): Promise<Upload | null>;
  deleteUpload(id: string): Promise<void>;
  /** Announced longer than UPLOAD_RETENTION_SECONDS ago, and no unfinished job needs it. `after`: the last one of a list. */
  listStaleUploads(limit: number, after?: Upload): Promise<Upload[]>;

  /**
   * Stores the job, the reservation of its price and, with `idempotency`, the answer, in one transaction. A repeat of
   * (account, key) within IDEMPOTENCY_SECONDS gets the stored answer and creates nothing.
   * Throws `idempotency-key-reused` when the fingerprint differs, `insufficient-credit` when the balance is too low, and
   * where a cap of its account, key or client token is reached: `spend-cap-reached`, `quota-exceeded`, `token-used-up`,
   * `price-exceeded`.
   */
  createJob(job: Job, idempotency?: Idempotency): Promise<Creation>;
  /**
   * The batch and all its jobs, or none, each as `createJob` stores it. When the last of them ends, `batch.completed` is
   * written with it.
   */
  createBatch(batch: Batch, jobs: readonly Job[], idempotency?: Idempotency): Promise<Creation>;
  getBatch(id: string): Promise<Batch | null>;
  /**
   * The answer that a verb with `idempotency` would replay, or null. Asked before the request is checked, so that a
   * repeat is answered
   * even when its upload is gone by now. Throws `idempotency-key-reused` when the fingerprint differs.
   */
  findIdempotent(
    account: string,
    request: Pick<Idempotency, 'key' | 'fingerprint'>,
  ): Promise<Idempotency['response'] | null>;
  getJob(id: string): Promise<Job | null>;
  /** Newest first, without deleted ones. */
  listJobs(filter: JobFilter): Promise<{ jobs: Job[]; next_cursor?: string }>;
  /**
   * Applies one event of the state machine (shared/job-machine.ts) with its ledger row. Of two that race, the second
   * sees the first. Throws the errors of `applyEvent`, and `not-found`.
   */
  updateJob(id: string, event: JobEvent): Promise<Job>;
  /** By model, of all accounts; those are missing that have not run yet. */
  getPaces(): Promise<Paces>;
  /** One more job of the model has ended. Of two at the same moment one may be lost: it is an average. */
  recordPace(method: AnyMethodId, sample: PaceSample): Promise<void>;
  /** Counted as it happens: asking costs the same however many jobs there are. */
  getTotals(): Promise<Totals>;
  /**
   * Erases data of an end user of the account, or of the whole account, beside its jobs, receivers and uploads, which
   * have verbs of their own: names, stored answers, deliveries, batches; at once or within their time. Money stays.
   */
  forget(owner: { account: string; end_user?: string | undefined }): Promise<void>;
  /**
   * Clears away leftovers: answers, tokens, deliveries and batches whose time is over. Jobs older than RECORD_SECONDS,
   * and their ledger entries, become sums: an account's balance and statement stay right. At most `limit` of each kind.
   * Returns how many.
   */
  clearOld(limit: number): Promise<number>;
  /** Jobs whose `due_at` has come, by their urgency, of each the most overdue first. `after`: the last one of a list. */
  listDueJobs(limit: number, after?: Job): Promise<Job[]>;
}
