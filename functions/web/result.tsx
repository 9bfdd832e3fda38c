import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import type { AlbumEntry } from './album.ts';
import { Comparison } from './comparison.tsx';
import { useObjectUrl } from './object-url.ts';
import { ProblemNote } from './problem-note.tsx';
import { TagEditor } from './tag-editor.tsx';
import { formatBytes, formatPrice } from './words.ts';

interface ResultProps {
  client: Client;
  job: JobView;
  entry: AlbumEntry;
  onRunWithTags: (tags: string[]) => void;
}

/** A job that succeeded: the comparison, the file, what is known about it. */
export function Result({ client, job, entry, onRunWithTags }: ResultProps) {
  const [result, setResult] = useState<Blob>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const leaving = new AbortController();
    client
      .output(job.id, { signal: leaving.signal })
      .then(setResult, (thrown) => leaving.signal.aborted || setError(thrown));
    return () => leaving.abort();
  }, [client, job.id]);
  const after = useObjectUrl(result);
  const before = useObjectUrl(entry.photo);
  if (error) return <ProblemNote error={error} />;
  if (!after || !before || !job.output) return <p role="status">Fetching the result…</p>;
  const { width, height, bytes, mime } = job.output;
  return (
    <>
      <Comparison before={before} after={after} width={width} height={height} />
      <div class="actions">
        <a class="button primary" href={after} download={resultName(entry.name, job)}>
          Download
        </a>
        <p class="quiet">
          {width} × {height} · {mime.replace('image/', '').toUpperCase()} · {formatBytes(bytes)} ·{' '}
          {formatPrice(job.charge.amount)}
        </p>
      </div>
      {job.notes && (
        <ul class="note">
          {job.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {job.description && <TagEditor key={job.id} seen={job.description.tags} onRun={onRunWithTags} />}
    </>
  );
}

/** `beach.heic` → `beach-4x.png`. */
function resultName(name: string, { parameters: { scale, format } }: JobView): string {
  return `${name.replace(/\.\w+$/, '')}-${scale}x.${format === 'jpeg' ? 'jpg' : format}`;
}
