import type { JobView } from '../../shared/api.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import type { Outlook } from './estimate.ts';

/**
 * The client's view of a job. No signed URLs: the answer can be kept and compared by its version.
 * `origin`: of absolute URLs. `outlook`: the estimates of its end.
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
    output: job.output && without(job.output, outputUrl),
    fidelity_report: job.fidelity_report,
    heatmap: job.heatmap && without(job.heatmap, heatmapUrl),
    photo_webp: job.photo_webp && without(job.photo_webp, `${self}/photo_webp`),
    output_webp: job.output_webp && without(job.output_webp, `${self}/output_webp`),
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
      ...(job.photo_webp && { photo_webp: `${self}/photo_webp` }),
      ...(job.output_webp && { output_webp: `${self}/output_webp` }),
      ...(job.live_preview && { live_preview: livePreviewUrl }),
    },
  };
}

/** The file as a client sees it: where it is fetched, not where it lies. */
function without<File extends { key: string }>({ key: _key, ...file }: File, url: string) {
  return { ...file, url };
}
