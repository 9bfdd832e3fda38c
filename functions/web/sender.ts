import { type Client, isApiError, type JobRequest, type JobView } from '../../shared/client.ts';
import type { Album } from './album.ts';
import { keepAsking, mayPass, restUntilKnock } from './asking.ts';
import { createChanges } from './changes.ts';
import type { Order } from './order.ts';
import type { Uploads } from './uploads.ts';

/** Sending belongs to the whole page: it goes on under every screen, and is asked about when somebody leaves. */

export interface Shipment {
  order: Order;
  /** `refused`: nothing goes on. All others end by themselves. */
  step: 'waiting' | 'looking' | 'sending' | 'ordering' | 'stopping' | 'refused';
  /** The error that keeps it, and is tried again; or why it was refused. */
  error?: unknown;
}

interface SenderOptions {
  client: Client;
  album: Album;
  uploads: Uploads;
  /** Something was ordered: there may be less on the account. */
  onMoney: () => void;
}

export type Sender = ReturnType<typeof createSender>;

/** Sent at the same time. */
const LANES = 2;
/** Before an answer that was lost is looked for. */
const PAUSE_MILLISECONDS = 5_000;

export function createSender({ client, album, uploads, onMoney }: SenderOptions) {
  const changes = createChanges();
  const shipments = new Map<string, Shipment & { stop: AbortController }>();
  const waiting: string[] = [];
  let lanes = 0;

  function show(key: string, change: Partial<Shipment>): void {
    const known = shipments.get(key);
    if (known) shipments.set(key, { ...known, ...change });
    changes.tell();
  }

  async function update(order: Order, change: Partial<Order>): Promise<Order> {
    const changed = { ...order, ...change };
    show(order.key, { order: changed });
    await album.keep(changed);
    return changed;
  }

  function end(key: string): void {
    shipments.delete(key);
    changes.tell();
  }

  async function accept(order: Order, { id, upload_id }: JobView): Promise<void> {
    const { sent = order.choices, fetcher } = order;
    await update(order, { job: id, choices: sent, sent: undefined, upload: upload_id, fetcher: undefined });
    end(order.key);
    onMoney();
    // Not earlier: without another job that has it the photo would go, too.
    if (fetcher) await client.erase(fetcher).catch(() => {}); // its time will be over
  }

  async function submit(given: Order, signal: AbortSignal): Promise<JobView> {
    show(given.key, { step: 'sending' });
    const upload = await uploads.idOf(given);
    signal.throwIfAborted();
    // Kept before it is sent: its fate can be found out after any failure.
    const order = await update(given, { upload, sent: given.choices });
    show(order.key, { step: 'ordering' });
    const request = {
      ...order.choices,
      quote_id: order.quoteId,
      input: { upload_id: upload },
      client_reference: order.name.slice(0, 255) || undefined,
      live_previews: true,
    } as JobRequest;
    return client.submit(request, { idempotencyKey: order.key, signal });
  }

  /** Sends the order, or finds out that it has arrived before. Rejects as the client does. */
  async function attempt(order: Order, signal: AbortSignal): Promise<JobView> {
    if (order.sent) show(order.key, { step: 'looking' });
    const job = order.sent && (await findJob(client, order, signal));
    if (job) return job;
    try {
      return await submit(order, signal);
    } catch (error) {
      if (isCode(error, 'gone', 'not-found') && order.upload) {
        return await submit(await uploads.forget(order), signal); // the service does not keep the photo any more
      }
      // Known there with another quote or choice: it has arrived before.
      const earlier = isCode(error, 'idempotency-key-reused') && (await findJob(client, order, signal));
      if (!earlier) throw error;
      return earlier;
    }
  }

  /** Until the service has told its fate. */
  async function ship(key: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const job = await attempt(shipments.get(key)!.order, signal);
        return await accept(shipments.get(key)!.order, job);
      } catch (error) {
        if (signal.aborted) return;
        if (!mayPass(error)) {
          await update(shipments.get(key)!.order, { sent: undefined });
          return show(key, { step: 'refused', error });
        }
        show(key, { error });
        await restUntilKnock(PAUSE_MILLISECONDS, signal).catch(() => {});
      }
    }
  }

  function next(): void {
    while (lanes < LANES && waiting.length > 0) {
      const key = waiting.shift()!;
      lanes++;
      void ship(key, shipments.get(key)!.stop.signal).finally(() => {
        lanes--;
        next();
      });
    }
  }

  /** Whether it has arrived: asked until the service says so. Undefined: nobody may ask. */
  function lookFor(order: Order): Promise<JobView | false | undefined> {
    const { signal } = new AbortController();
    const onTrouble = (error: unknown) => show(order.key, { error });
    const ask = async () => (await findJob(client, order, signal)) ?? false;
    return keepAsking(ask, { signal, onTrouble }).catch(() => undefined);
  }

  return {
    listen: changes.listen,
    list: (): Shipment[] => [...shipments.values()],
    find: (key: string): Shipment | undefined => shipments.get(key),
    /** Something would be lost with the page. */
    isBusy: () => [...shipments.values()].some(({ step }) => step !== 'refused'),

    /** Sends the order; one that is on its way goes on with these choices. Its key makes it one job. */
    send(order: Order): void {
      const known = shipments.get(order.key);
      if (known && known.step !== 'refused') {
        const { sent, upload } = known.order;
        show(order.key, { order: { ...order, sent, upload } });
      } else {
        shipments.set(order.key, { order, step: 'waiting', stop: new AbortController() });
        waiting.push(order.key);
        changes.tell();
        void album.keep(order).then(next);
      }
    },

    /** Nobody wants it any more. Had it arrived, its job is canceled, which is free as long as it has not ended. */
    async stop(key: string): Promise<void> {
      const shipment = shipments.get(key);
      if (!shipment || shipment.step === 'stopping') return;
      shipment.stop.abort(new DOMException('It was stopped.', 'AbortError'));
      uploads.stop(key);
      const place = waiting.indexOf(key);
      if (place >= 0) waiting.splice(place, 1);
      const { order } = shipments.get(key)!;
      if (!order.sent) return end(key);
      show(key, { step: 'stopping', error: undefined });
      const job = await lookFor(order);
      if (job) {
        await client.cancel(job.id).catch(() => {}); // it has ended meanwhile, as its screen will tell
        return accept(order, job);
      }
      if (job === false) await album.keep({ ...order, sent: undefined });
      end(key);
    },

    /** The fate of an order that was sent before this page was opened. */
    async look(order: Order): Promise<void> {
      if (shipments.has(order.key)) return;
      shipments.set(order.key, { order, step: 'looking', stop: new AbortController() });
      changes.tell();
      const job = await lookFor(order);
      if (job) return accept(order, job);
      if (job === false) await album.keep({ ...order, sent: undefined });
      end(order.key);
    },

    /** A refused order is not shown any more. */
    dismiss(key: string): void {
      if (shipments.get(key)?.step === 'refused') end(key);
    },
  };
}

export async function findJob(
  client: Client,
  { key }: Pick<Order, 'key'>,
  signal: AbortSignal,
): Promise<JobView | undefined> {
  const { data } = await client.list({ idempotency_key: key, limit: 1 }, { signal });
  return data[0];
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return isApiError(error) && codes.includes(error.problem.code);
}
