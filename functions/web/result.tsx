import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import type { AlbumEntry } from './album.ts';
import { Comparison } from './comparison.tsx';
import { useObjectUrl } from './object-url.ts';
import { ProblemNote } from './problem-note.tsx';
import { ReceiptCard } from './receipt-card.tsx';
import { resultName } from './save-file.ts';
import { TagEditor } from './tag-editor.tsx';
import { describeColors, formatBytes, formatPrice } from './words.ts';

interface ResultProps {
  client: Client;
  job: JobView;
  entry: AlbumEntry;
  onRunWithTags: (tags: string[]) => void;
}

/** A job that succeeded: the comparison, the file, what is known about it. */
export function Result({ client, job, entry, onRunWithTags }: ResultProps) {
  const [result, setResult] = useState<Blob>();
  const [heatmap, setHeatmap] = useState<Blob>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    client.output(job.id, { signal }).then(setResult, (thrown) => signal.aborted || setError(thrown));
    // Without it the result is still a result.
    if (job.heatmap) client.heatmap(job.id, { signal }).then(setHeatmap, () => {});
    return () => leaving.abort();
  }, [client, job.id]);
  const after = useObjectUrl(result);
  const before = useObjectUrl(entry.photo);
  const changes = useObjectUrl(heatmap);
  if (error) return <ProblemNote error={error} />;
  if (!after || !before || !job.output) return <p role="status">Fetching the result…</p>;
  const { width, height, bytes, mime } = job.output;
  return (
    <>
      <Comparison before={before} after={after} changes={changes} width={width} height={height} />
      <div class="actions">
        <a class="button primary" href={after} download={resultName(entry.name, job)}>
          Download
        </a>
        <p class="quiet">
          {width} × {height} · {mime.replace('image/', '').toUpperCase()} · {formatBytes(bytes)} ·{' '}
          {job.charge.amount > 0 ? `Paid ${formatPrice(job.charge.amount)}` : 'Free'}
        </p>
      </div>
      {job.notes && (
        <ul class="note">
          {job.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {job.fidelity_report && <Report report={job.fidelity_report} />}
      {job.links.receipt && result && <ReceiptCard client={client} job={job} file={result} name={entry.name} />}
      {job.description && (
        <TagEditor key={job.id} seen={job.description.tags} price={job.charge.amount} onRun={onRunWithTags} />
      )}
    </>
  );
}

function Report({ report }: { report: NonNullable<JobView['fidelity_report']> }) {
  const { psnr, delta_e, added_detail } = report;
  return (
    <section class="card report" aria-labelledby="report">
      <h2 id="report">How true is it?</h2>
      <p>{describeColors(delta_e)}</p>
      <dl class="facts">
        <div>
          <dt>Match with your photo</dt>
          <dd>{psnr.toFixed(1)} dB</dd>
        </div>
        <div>
          <dt>Distance of colors, ΔE</dt>
          <dd>{delta_e.toFixed(1)}</dd>
        </div>
        <div>
          <dt>Added detail, of 255</dt>
          <dd>{added_detail.toFixed(1)}</dd>
        </div>
      </dl>
    </section>
  );
}
