import { useEffect, useState } from 'preact/hooks';
import type { ApiError, Transfer } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { announce } from './announcer.tsx';
import { askAgain } from './asking.ts';
import { useChanges } from './changes.ts';
import { DownloadAll } from './download-all.tsx';
import { type Order, orderOf } from './order.ts';
import { describeMoney, describeStep } from './order-words.ts';
import { ProblemNote } from './problem-note.tsx';
import { resultName, saveFile } from './save-file.ts';
import { useTitle } from './screen.ts';
import type { Shipment } from './sender.ts';
import { Thumbnail } from './thumbnail.tsx';
import { TransferBar } from './transfer-bar.tsx';
import { useDownload } from './use-download.ts';
import { type Fate, useJobs } from './use-jobs.ts';
import { describeCharge, describeJob, formatPrice } from './words.ts';
import type { Workshop } from './workshop.ts';

interface SeveralProps {
  workshop: Workshop;
  orders: readonly Order[];
  onOpen: (order: Order) => void;
  onNew: () => void;
  /** A price was reserved, or charged. */
  onMoney: () => void;
}

/** Several photos at once, each with its own state. */
export function Several({ workshop, orders, onOpen, onNew, onMoney }: SeveralProps) {
  const { client, sender, uploads } = workshop;
  useChanges(uploads);
  const ids = orders.flatMap(({ job }) => job ?? []);
  const { fates, error } = useJobs(client, ids);
  useKnown(workshop, fates);
  const fateOf = ({ job }: Order) => (job === undefined ? undefined : fates.get(job));
  const done = orders.flatMap((order) => {
    const job = fateOf(order)?.job;
    return job?.status === 'succeeded' ? { order, job } : [];
  });
  const isOver = orders.every((order) => isEnded(order, fateOf(order), sender.find(order.key)));
  const words = `${done.length} of ${orders.length} done`;
  useTitle(isOver && done.length === orders.length ? 'Done' : words);
  useEffect(onMoney, [ids.length, done.length]);
  useEffect(() => {
    if (isOver) announce(done.length === orders.length ? `Done. ${words}.` : `${words}. The others have ended, too.`);
  }, [isOver]);
  const paid = done.reduce((total, { job }) => total + job.charge.amount, 0);
  return (
    <section class="restoration" aria-label="Several photos">
      <div class="row">
        <h1>{words}</h1>
        <div class="row">
          {done.length > 1 && <DownloadAll client={client} done={done} />}
          <button type="button" onClick={onNew}>
            New photo
          </button>
        </div>
      </div>
      {paid > 0 && <p class="quiet">{formatPrice(paid)} until now</p>}
      <p class="visually-hidden" role="status">
        {words}
      </p>
      {error !== undefined && !isOver && <ProblemNote error={error} onAgain={askAgain} />}
      <ul class="several">
        {orders.map((order) => (
          <SeveralRow
            key={order.key}
            workshop={workshop}
            order={order}
            shipment={sender.find(order.key)}
            transfer={uploads.transferOf(order.key)}
            fate={fateOf(order)}
            onOpen={onOpen}
          />
        ))}
      </ul>
    </section>
  );
}

/** Orders of another browser, as soon as the service has told about them. */
function useKnown({ album }: Workshop, fates: ReadonlyMap<string, Fate>): void {
  useEffect(() => {
    for (const { job } of fates.values()) if (job && !album.find(job.id)) void album.keep(orderOf(job));
  }, [album, fates]);
}

function isEnded(order: Order, fate: Fate | undefined, shipment: Shipment | undefined): boolean {
  if (order.job) return fate?.refusal !== undefined || fate?.job?.terminal === true;
  return !shipment || shipment.step === 'refused';
}

interface RowProps {
  workshop: Workshop;
  order: Order;
  shipment: Shipment | undefined;
  transfer: Transfer | undefined;
  fate: Fate | undefined;
  onOpen: (order: Order) => void;
}

function SeveralRow({ workshop, order, shipment, transfer, fate, onOpen }: RowProps) {
  const { client, sender } = workshop;
  const name = order.name || 'Photo';
  const job = fate?.job;
  const [failure, setFailure] = useState<unknown>();
  const download = useDownload(async (signal, onTransfer) => {
    if (job) saveFile(await client.output(job.id, { signal, onTransfer }), resultName(name, job));
  });
  const isRunning = job?.status === 'running';
  const isEndedNow = isEnded(order, fate, shipment);
  const words = job
    ? describeJob(job)
    : order.job
      ? fate
        ? 'Not kept any more'
        : 'Sent'
      : shipment
        ? describeStep(shipment)
        : 'Not sent';
  const problem: ApiError | undefined = job?.error ? apiError(job.error) : fate?.refusal;
  return (
    <li class="card" aria-label={name}>
      <Thumbnail picture={order.thumbnail} />
      <div class="about">
        <strong translate={false}>{name}</strong>
        <span class="quiet number">
          {words}
          {isRunning && ` · ${job.progress?.percent ?? 0} %`}
        </span>
        {!isEndedNow && (
          <progress
            aria-label={`${name}: ${words}`}
            max={transfer?.total ?? 100}
            value={isRunning ? job.progress?.percent : transfer?.bytes || undefined}
          />
        )}
        {download.transfer && (
          <TransferBar label="Fetching the result" transfer={download.transfer} onCancel={download.stop} />
        )}
      </div>
      <div class="actions">
        {job?.status === 'succeeded' && (
          <button type="button" aria-label={`Download ${name}`} onClick={download.start}>
            Download
          </button>
        )}
        {order.job && (
          <button type="button" aria-label={`Open ${name}`} onClick={() => onOpen(order)}>
            Open
          </button>
        )}
        {job && !job.terminal && (
          <button
            type="button"
            aria-label={`Cancel ${name}`}
            aria-disabled={job.cancel_requested}
            onClick={() => client.cancel(job.id).then(() => setFailure(undefined), setFailure)}
          >
            Cancel
          </button>
        )}
        {shipment && shipment.step !== 'refused' && shipment.step !== 'stopping' && (
          <button type="button" aria-label={`Cancel ${name}`} onClick={() => sender.stop(order.key)}>
            Cancel
          </button>
        )}
        {!order.job && (!shipment || shipment.step === 'refused') && (
          <button
            type="button"
            aria-label={shipment ? `Try again: ${name}` : `Send ${name}`}
            onClick={() => sender.send(order)}
          >
            {shipment ? 'Try again' : 'Send'}
          </button>
        )}
      </div>
      {shipment?.error !== undefined && <ProblemNote error={shipment.error} money={describeMoney(shipment)} />}
      {problem !== undefined && <ProblemNote error={problem} money={job && describeCharge(job)} />}
      {failure !== undefined && !job?.terminal && <ProblemNote error={failure} />}
      {download.error !== undefined && (
        <ProblemNote error={download.error} money={job && describeCharge(job)} onAgain={download.start} />
      )}
    </li>
  );
}
