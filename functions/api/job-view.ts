import type { JobView } from '../../shared/api.ts';
import { isTerminal, type Job } from '../../shared/job.ts';

/**
 * What a client sees of a job. No signed URLs: the answer can be kept and compared by its version.
 * `origin`: of absolute URLs. `waiting`: messages in the queue, for a job that is in it.
 */
export function viewJob(job: Job, origin: string, waiting?: number): JobView {
  const terminal = isTerminal(job);
  const self = `${origin}/v1/jobs/${job.id}`;
  const outputUrl = `${self}/output`;
  const heatmapUrl = `${self}/heatmap`;
  return {
    id: job.id,
    status: job.status,
    terminal,
    ...(job.test && { test: job.test }),
    version: job.version,
    attempt: job.attempt,
    created_at: job.created_at,
    started_at: job.started_at,
    finished_at: job.finished_at,
    upload_id: job.upload_id,
    input: job.input,
    parameters: job.parameters,
    task: job.task,
    client_reference: job.client_reference,
    progress: job.progress,
    cancel_requested: job.cancel_requested,
    cancel_at: job.cancel_at,
    queue: waiting === undefined ? undefined : { position_estimate: Math.max(1, waiting) },
    output: job.output && viewOutput(job.output, outputUrl),
    fidelity_report: job.fidelity_report,
    heatmap: job.heatmap && viewHeatmap(job.heatmap, heatmapUrl),
    delivery: job.delivery,
    error: job.error,
    notes: job.notes,
    description: job.description,
    charge: job.charge,
    links: {
      self,
      ...(!terminal && { cancel: `${self}/cancel`, events: `${self}/events` }),
      ...(job.output && { output: outputUrl }),
      ...(job.run && { receipt: `${self}/receipt` }),
      ...(job.heatmap && { heatmap: heatmapUrl }),
    },
  };
}

function viewHeatmap({ key: _key, ...heatmap }: NonNullable<Job['heatmap']>, url: string): JobView['heatmap'] {
  return { ...heatmap, url };
}

function viewOutput({ key: _key, ...output }: NonNullable<Job['output']>, url: string): JobView['output'] {
  return { ...output, url };
}
