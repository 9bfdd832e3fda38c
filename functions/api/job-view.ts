import type { JobView } from '../../shared/api.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import type { Outlook } from './estimate.ts';

/**
 * What a client sees of a job. No signed URLs: the answer can be kept and compared by its version.
 * `origin`: of absolute URLs. `outlook`: what is guessed about its end.
 */
export function viewJob(job: Job, origin: string, outlook: Outlook = {}): JobView {
  const terminal = isTerminal(job);
  const self = `${origin}/v1/jobs/${job.id}`;
  const outputUrl = `${self}/output`;
  const heatmapUrl = `${self}/heatmap`;
  const livePreviewUrl = `${self}/live_preview`;
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
    live_preview: job.live_preview && { ...job.live_preview, url: livePreviewUrl },
    cancel_requested: job.cancel_requested,
    cancel_at: job.cancel_at,
    ...outlook,
    cold_start: job.cold_start,
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
      ...(job.live_preview && { live_preview: livePreviewUrl }),
    },
  };
}

function viewHeatmap({ key: _key, ...heatmap }: NonNullable<Job['heatmap']>, url: string): JobView['heatmap'] {
  return { ...heatmap, url };
}

function viewOutput({ key: _key, ...output }: NonNullable<Job['output']>, url: string): JobView['output'] {
  return { ...output, url };
}
