import { useEffect, useState } from 'preact/hooks';
import type { Client, JobView } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { type AlbumEntry, keepInAlbum } from './album.ts';
import type { Order } from './preparation.tsx';
import { ProblemNote } from './problem-note.tsx';
import { resultName, saveFile } from './save-file.ts';
import { submitOrder } from './sent-photos.ts';
import { Thumbnail } from './thumbnail.tsx';
import { useJobs } from './use-jobs.ts';
import { describeJob, formatPrice } from './words.ts';

/** A photo on its way: ordered, or submitted already. */
export type Task = { order: Order; entry?: undefined } | { order?: undefined; entry: AlbumEntry };
interface Row {
  task: Task;
  error?: unknown;
}

interface SeveralProps {
  client: Client;
  tasks: readonly Task[];
  onOpen: (entry: AlbumEntry) => void;
  onNew: () => void;
  /** Those that were submitted, so that a reload can come back to them. */
  onEntries: (entries: AlbumEntry[]) => void;
  /** A price was reserved, or charged. */
  onMoney: () => void;
}

/** Sent at the same time. */
const LANES = 2;

/** Several photos at once, each with its own state. */
export function Several({ client, tasks, onOpen, onNew, onEntries, onMoney }: SeveralProps) {
  const { rows, retry } = useSending(client, tasks);
  const entries = rows.flatMap(({ task }) => task.entry ?? []);
  const jobs = useJobs(
    client,
    entries.map(({ id }) => id),
  );
  const all = rows.map(({ task }) => task.entry && jobs.get(task.entry.id));
  const done = all.filter((job) => job?.status === 'succeeded').length;
  useEffect(() => onEntries(entries), [entries.length]);
  useEffect(onMoney, [entries.length, done]);
  const paid = all.reduce((total, job) => total + (job?.status === 'succeeded' ? job.charge.amount : 0), 0);
  return (
    <section class="restoration" aria-label="Several photos">
      <div class="row">
        <h1>
          {done} of {rows.length} done
        </h1>
        <button type="button" onClick={onNew}>
          New photo
        </button>
      </div>
      {paid > 0 && <p class="quiet">{formatPrice(paid)} until now</p>}
      <p class="visually-hidden" role="status">
        {done} of {rows.length} done
      </p>
      <ul class="several">
        {rows.map((row, index) => (
          <SeveralRow
            key={index}
            client={client}
            row={row}
            job={all[index]}
            onOpen={onOpen}
            onRetry={() => retry(index)}
          />
        ))}
      </ul>
    </section>
  );
}

interface RowProps {
  client: Client;
  row: Row;
  job: JobView | undefined;
  onOpen: (entry: AlbumEntry) => void;
  onRetry: () => void;
}

function SeveralRow({ client, row: { task, error }, job, onOpen, onRetry }: RowProps) {
  const { entry, order } = task;
  const name = entry?.name ?? order!.photo.name;
  const [failure, setFailure] = useState<unknown>();
  const problem = error ?? failure ?? (job?.error && apiError(job.error));
  const isRunning = job?.status === 'running';
  const words = job ? describeJob(job) : entry ? 'Sent' : error === undefined ? 'Sending' : 'Not sent';
  return (
    <li class="card" aria-label={name}>
      <Thumbnail file={entry?.photo ?? order!.photo.file} />
      <div class="about">
        <strong>{name}</strong>
        <span class="quiet number">
          {words}
          {isRunning && ` · ${job.progress?.percent ?? 0} %`}
        </span>
        {!job?.terminal && error === undefined && (
          <progress aria-label={`${name}: ${words}`} max={100} value={isRunning ? job.progress?.percent : undefined} />
        )}
      </div>
      <div class="actions">
        {entry && job?.status === 'succeeded' && (
          <button
            type="button"
            aria-label={`Download ${name}`}
            onClick={() => client.output(entry.id).then((file) => saveFile(file, resultName(name, job)), setFailure)}
          >
            Download
          </button>
        )}
        {entry && (
          <button type="button" aria-label={`Open ${name}`} onClick={() => onOpen(entry)}>
            Open
          </button>
        )}
        {job && !job.terminal && (
          <button
            type="button"
            aria-label={`Cancel ${name}`}
            disabled={job.cancel_requested}
            onClick={() => client.cancel(job.id).catch(setFailure)}
          >
            Cancel
          </button>
        )}
        {error !== undefined && (
          <button type="button" aria-label={`Try again: ${name}`} onClick={onRetry}>
            Try again
          </button>
        )}
      </div>
      {problem !== undefined && <ProblemNote error={problem} />}
    </li>
  );
}

/** Sends what is not sent yet, and goes on with that when the page shows something else. */
function useSending(client: Client, tasks: readonly Task[]) {
  const [rows, setRows] = useState<Row[]>(() => tasks.map((task) => ({ task })));
  const put = (index: number, row: Row) => setRows((all) => all.with(index, row));

  async function sendOne(index: number): Promise<void> {
    const { order } = tasks[index]!;
    if (!order) return;
    put(index, { task: { order } });
    try {
      const entry = await submitOrder(client, order);
      await keepInAlbum(entry).catch(() => {}); // then only a reload forgets it
      put(index, { task: { entry } });
    } catch (error) {
      put(index, { task: { order }, error });
    }
  }
  useEffect(() => {
    const waiting = tasks.map((_, index) => index).values();
    const lane = async () => {
      for (const index of waiting) await sendOne(index);
    };
    for (let i = 0; i < LANES; i++) void lane();
  }, []);
  const isSending = rows.some(({ task, error }) => task.order && error === undefined);
  useEffect(() => {
    if (!isSending) return;
    // What was not sent would be lost with the page.
    const ask = (event: Event) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isSending]);
  return { rows, retry: (index: number) => void sendOne(index) };
}
