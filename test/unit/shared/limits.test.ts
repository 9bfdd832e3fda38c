import { describe, expect, it } from 'vitest';
import {
  DEFAULT_LIMITS,
  DEFAULT_RETENTION_HOURS,
  DOWNLOAD_URL_SECONDS,
  DRAIN_SECONDS,
  HEARTBEAT_SECONDS,
  IDEMPOTENCY_SECONDS,
  LEASE_SECONDS,
  MAX_ATTEMPTS,
  MAX_JSON_BYTES,
  MAX_RECEIVES,
  MAX_RETENTION_HOURS,
  MAX_WAIT_SECONDS,
  RESEND_SECONDS,
  STALL_SECONDS,
  STOP_TIMEOUT_SECONDS,
  UPLOAD_RETENTION_SECONDS,
  UPLOAD_URL_SECONDS,
  VISIBILITY_SECONDS,
} from '../../shared/limits.ts';

const SQS_MAX_VISIBILITY_SECONDS = 12 * 3600;
const SQS_MAX_RETENTION_SECONDS = 14 * 24 * 3600;

describe('limits agree with each other', () => {
  it('a worker may miss one heartbeat and keep its job', () => {
    expect(HEARTBEAT_SECONDS).toBeLessThan(LEASE_SECONDS / 2);
  });

  it('a message comes again only when the lease is over, so that who receives it can claim', () => {
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
    expect(STOP_TIMEOUT_SECONDS).toBeLessThan(120); // what ECS allows on Fargate, and what EC2 leaves a spot instance
  });

  it('a stall is judged by missing progress over several heartbeats', () => {
    expect(STALL_SECONDS).toBeGreaterThan(2 * HEARTBEAT_SECONDS);
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

  it('what an installation accepts by default can be asked for and upscaled four times', () => {
    expect(DEFAULT_LIMITS.max_output_pixels).toBe(DEFAULT_LIMITS.max_input_pixels * 4 * 4);
    expect(DEFAULT_LIMITS.max_upload_bytes).toBeGreaterThan(MAX_JSON_BYTES);
  });
});
