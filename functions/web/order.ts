import type { JobView } from '../../shared/client.ts';
import { serverNow } from './server-clock.ts';
import type { Choices } from './settings.ts';

/**
 * One photo that is to be restored, from the moment it is chosen. Its key is the Idempotency-Key of its job: it is one
 * job however often it is sent, and however many answers get lost.
 */
export interface Order {
  key: string;
  name: string;
  /** Milliseconds since 1970, by the clock of the service. */
  addedAt: number;
  /** Absent where this browser did not keep it. */
  photo?: Blob | undefined;
  /** A small picture of it. */
  thumbnail?: Blob | undefined;
  choices: Choices;
  quoteId?: string | undefined;
  /** The photo, where the service has it already. */
  upload?: string | undefined;
  /** A job that did nothing but fetch the photo, and is to be erased once another has it. */
  fetcher?: string | undefined;
  /** With these choices it may have reached the service: that has to be looked up before it is sent again. */
  sent?: Choices | undefined;
  /** The id of its job, once the service has told. */
  job?: string | undefined;
}

const KEY = /^ord_[\w-]{22}$/;
const JOB = /^job_[0-9a-z]{10,40}$/;

export function createOrder(photo: Blob, name: string, more: Partial<Order> = {}): Order {
  return { name, photo, addedAt: serverNow(), choices: {}, ...more, key: createKey() };
}

/** The same photo once more. */
export function anotherOrder({ name, photo, thumbnail, choices, upload }: Order): Order {
  return { name, photo, thumbnail, choices, upload, addedAt: serverNow(), key: createKey() };
}

/** Of another browser, until the service has told more. */
export function stubOf(job: string): Order {
  return { key: job, job, name: '', addedAt: 0, choices: {} };
}

/** The known part of an order that another browser has sent. */
export function orderOf(job: JobView): Order {
  const { id, client_reference, created_at, upload_id, parameters } = job;
  const { tags: _tags, preview: _preview, model_facts: _facts, ...choices } = parameters;
  const addedAt = Date.parse(created_at);
  return { key: id, job: id, name: client_reference ?? 'Photo', addedAt, upload: upload_id, choices };
}

/** How the order is named in the address. */
export function refOf({ job, key }: Order): string {
  return job ?? key;
}

export function isRef(text: string): boolean {
  return KEY.test(text) || isJobId(text);
}

export function isJobId(text: string): boolean {
  return JOB.test(text);
}

/** 128 random bits. No `randomUUID`: pages that come by plain HTTP lack it. */
export function createKey(): string {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  return `ord_${text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}
