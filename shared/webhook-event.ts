import { z } from 'zod';

/** What can be told about jobs. */
export const eventTypeSchema = z.enum([
  'job.started',
  'job.progressed',
  'job.succeeded',
  'job.failed',
  'job.canceled',
  'job.expired',
  'batch.completed',
]);
export type EventType = z.infer<typeof eventTypeSchema>;

/** Those that end something: what most receivers wait for. */
export const ENDING_EVENTS: readonly EventType[] = [
  'job.succeeded',
  'job.failed',
  'job.canceled',
  'job.expired',
  'batch.completed',
];

/** `job.progressed` comes no more often. */
export const PROGRESS_EVENT_SECONDS = 5;

/** Where to and what to tell about one job. */
export interface JobWebhook {
  /** With `url`: the endpoint whose secret signs. Else the endpoint that gets `events` instead of its own choice. */
  endpoint_id: string;
  url?: string;
  events: EventType[];
}
