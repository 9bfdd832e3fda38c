import { useEffect, useState } from 'preact/hooks';
import type { JobView, Transfer } from '../../shared/client.ts';
import { announce } from './announcer.tsx';
import { useAsked } from './asking.ts';
import { Comparison } from './comparison.tsx';
import { Degradation } from './degradation.tsx';
import type { Order } from './order.ts';
import { thumbnailOf } from './photo.ts';
import { usePictureUrl } from './picture-url.ts';
import { ProblemNote } from './problem-note.tsx';
import { ReceiptCard } from './receipt-card.tsx';
import { resultName } from './save-file.ts';
import { useTitle } from './screen.ts';
import { TagEditor } from './tag-editor.tsx';
import { TransferBar } from './transfer-bar.tsx';
import { describeCharge, describeColors, formatBytes, formatPrice } from './words.ts';
import type { Workshop } from './workshop.ts';

interface ResultProps {
  workshop: Workshop;
  job: JobView;
  order: Order;
  name: string;
  /** Absent where nobody has it any more, or it is not there yet. */
  photo: Blob | undefined;
  onRunWithTags: (tags: string[]) => void;
}

interface SeenProps extends Pick<ResultProps, 'job' | 'onRunWithTags'> {
  seen: NonNullable<JobView['description']>;
}

/** A job that succeeded: the comparison, the file, the facts about it. */
export function Result({ workshop, job, order, name, photo, onRunWithTags }: ResultProps) {
  const { client, album } = workshop;
  const [transfer, setTransfer] = useState<Transfer>();
  const [isStopped, setStopped] = useState(false);
  const {
    value: result,
    error,
    again,
  } = useAsked(isStopped ? undefined : (signal) => client.output(job.id, { signal, onTransfer: setTransfer }), [
    client,
    job.id,
    isStopped,
  ]);
  // Without it the result is still a result.
  const heatmap = useAsked(job.heatmap ? (signal) => client.heatmap(job.id, { signal }) : undefined, [client, job.id]);
  // A result that browsers do not show has a picture that they do.
  const copy = useAsked(job.output_webp ? (signal) => client.outputWebp(job.id, { signal }) : undefined, [
    client,
    job.id,
  ]);
  const file = usePictureUrl(result);
  const after = usePictureUrl(job.output_webp ? copy.value : result);
  const before = usePictureUrl(photo);
  const changes = usePictureUrl(heatmap.value);
  const isShown = file !== undefined;
  useTitle(isShown ? 'Done' : 'Fetching the result');
  useEffect(() => {
    if (!result || !isShown) return;
    announce(`Done. ${name} is restored.`);
    if (!order.thumbnail) void thumbnailOf(photo ?? result).then((made) => made && album.addThumbnail(order.key, made));
  }, [isShown]);
  if (error !== undefined) return <ProblemNote error={error} money={describeCharge(job)} onAgain={again} />;
  if (isStopped) {
    return (
      <p class="actions">
        <button type="button" class="primary" onClick={() => setStopped(false)}>
          Fetch the result
        </button>
      </p>
    );
  }
  if (!result || !file || !job.output) {
    return <TransferBar label="Fetching the result" transfer={transfer} onCancel={() => setStopped(true)} />;
  }
  const { width, height, bytes, mime } = job.output;
  return (
    <>
      {after && <Comparison before={before} after={after} changes={changes} width={width} height={height} />}
      <div class="actions">
        <a class="button primary" href={file} download={resultName(name, job)}>
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
      {job.links.receipt && <ReceiptCard client={client} job={job} file={result} name={name} />}
      {job.description && <Seen job={job} seen={job.description} onRunWithTags={onRunWithTags} />}
    </>
  );
}

/** What the model saw: damage, or things that may be corrected. */
function Seen({ job, seen, onRunWithTags }: SeenProps) {
  if (seen.degradation) return <Degradation seen={seen.degradation} />;
  return <TagEditor key={job.id} seen={seen.tags} price={job.charge.amount} onRun={onRunWithTags} />;
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
