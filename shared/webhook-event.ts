import { z } from 'zod';

/** Events of jobs. */
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

/** Those that end something: most receivers wait for them. */
export const ENDING_EVENTS: readonly EventType[] = [
  'job.succeeded',
  'job.failed',
  'job.canceled',
  'job.expired',
  'batch.completed',
];

/** `job.progressed` comes no more often. */
export const PROGRESS_EVENT_SECONDS = 5;

/** The receiver and the events of one job. */
export interface JobWebhook {
  /** With `url`: the endpoint whose secret signs. Else the endpoint that gets `events` instead of its own choice. */
  endpoint_id: string;
  url?: string;
  events: EventType[];
}
