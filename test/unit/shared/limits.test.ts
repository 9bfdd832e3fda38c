import { describe, expect, it } from 'vitest';
import {
  DEAF_SECONDS,
  DEFAULT_LIMITS,
  DEFAULT_RETENTION_HOURS,
  DOWNLOAD_URL_SECONDS,
  DRAIN_SECONDS,
  HEARTBEAT_SECONDS,
  IDEMPOTENCY_SECONDS,
  LEASE_SECONDS,
  LOST_MESSAGE_SECONDS,
  MAX_ATTEMPTS,
  MAX_JSON_BYTES,
  MAX_LOST_MESSAGE_SECONDS,
  MAX_QUEUED_SECONDS,
  MAX_RECEIVES,
  MAX_RETENTION_HOURS,
  MAX_WAIT_SECONDS,
  MESSAGE_RETENTION_SECONDS,
  RESEND_SECONDS,
  STALL_SECONDS,
  STOP_TIMEOUT_SECONDS,
  UPLOAD_RETENTION_SECONDS,
  UPLOAD_URL_SECONDS,
  VISIBILITY_SECONDS,
} from '../../../shared/limits.ts';

const SQS_MAX_VISIBILITY_SECONDS = 12 * 3600;
const SQS_MAX_RETENTION_SECONDS = 14 * 24 * 3600;

describe('limits agree with each other', () => {
  it('a worker may miss one heartbeat and keep its job', () => {
    expect(HEARTBEAT_SECONDS).toBeLessThan(LEASE_SECONDS / 2);
  });

  it('a message comes again only when the lease is over, so that its receiver can claim', () => {
    expect(VISIBILITY_SECONDS).toBeGreaterThanOrEqual(LEASE_SECONDS);
    expect(VISIBILITY_SECONDS).toBeLessThanOrEqual(SQS_MAX_VISIBILITY_SECONDS);
  });

  it('engine errors end a job before its message goes to the dead letters', () => {
    expect(MAX_ATTEMPTS).toBeGreaterThanOrEqual(1);
    expect(MAX_RECEIVES).toBeGreaterThan(MAX_ATTEMPTS);
  });

  it('a draining worker gives its job back while it still owns it', () => {
    expect(DRAIN_SECONDS).toBeLessThan(LEASE_SECONDS);
    expect(DRAIN_SECONDS).toBeLessThan(30); // ECS and Docker kill after 30 s and 10 s unless told otherwise
    expect(DRAIN_SECONDS).toBeLessThan(STOP_TIMEOUT_SECONDS);
    expect(STOP_TIMEOUT_SECONDS).toBeLessThan(120); // the limits of ECS on Fargate and of EC2 for a spot instance
  });

  it('a stall is judged by missing progress over several heartbeats', () => {
    expect(STALL_SECONDS).toBeGreaterThan(2 * HEARTBEAT_SECONDS);
  });

  it('a job that waits is sent again long before the queue forgets it', () => {
    expect(LOST_MESSAGE_SECONDS).toBeLessThan(MAX_LOST_MESSAGE_SECONDS);
    expect(2 * MAX_LOST_MESSAGE_SECONDS).toBeLessThan(MESSAGE_RETENTION_SECONDS);
    expect(MAX_QUEUED_SECONDS).toBeGreaterThan(MESSAGE_RETENTION_SECONDS);
    expect(MESSAGE_RETENTION_SECONDS).toBeLessThan(SQS_MAX_RETENTION_SECONDS);
  });

  it('a worker that asks in vain is found out while others could still help', () => {
    expect(DEAF_SECONDS).toBeGreaterThanOrEqual(VISIBILITY_SECONDS);
    expect(DEAF_SECONDS).toBeLessThan(LOST_MESSAGE_SECONDS);
  });

  it('an input outlives its upload URL and every wait before its job begins', () => {
    expect(UPLOAD_RETENTION_SECONDS).toBeGreaterThan(UPLOAD_URL_SECONDS + RESEND_SECONDS);
    expect(UPLOAD_RETENTION_SECONDS).toBeLessThan(SQS_MAX_RETENTION_SECONDS);
  });

  it('an answer is remembered longer than anybody retries within the life of an upload', () => {
    expect(IDEMPOTENCY_SECONDS).toBeGreaterThan(UPLOAD_URL_SECONDS + MAX_WAIT_SECONDS);
  });

  it('a result outlives the link to it', () => {
    expect(DEFAULT_RETENTION_HOURS).toBeLessThanOrEqual(MAX_RETENTION_HOURS);
    expect(DEFAULT_RETENTION_HOURS * 3600).toBeGreaterThan(DOWNLOAD_URL_SECONDS);
  });

  it('by default photos of phones are accepted, and can be asked for at least as large as they are', () => {
    const phones = [4032 * 3024, 5712 * 4284, 8064 * 6048, 8160 * 6144, 9248 * 6936, 12_000 * 9_000];
    for (const pixels of phones) expect(pixels).toBeLessThanOrEqual(DEFAULT_LIMITS.max_input_pixels);
    expect(DEFAULT_LIMITS.max_output_pixels).toBeGreaterThanOrEqual(DEFAULT_LIMITS.max_input_pixels);
    expect(DEFAULT_LIMITS.max_output_pixels).toBeGreaterThanOrEqual(8160 * 6144 * 2 ** 2);
    expect(DEFAULT_LIMITS.max_upload_bytes).toBeGreaterThan(MAX_JSON_BYTES);
  });
});
