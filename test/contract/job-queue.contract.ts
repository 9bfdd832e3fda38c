import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobQueue, QueueMessage } from '../../shared/ports.ts';

export interface JobQueueUnderTest {
  /** Empty; delivers a message at most MAX_RECEIVES_UNDER_TEST times. */
  queue: JobQueue;
  deadLetters: JobQueue;
  /** Lets so much time pass for the queue; where it lives by the real clock, really. */
  advance(seconds: number): Promise<void>;
  close(): Promise<void>;
}

export const MAX_RECEIVES_UNDER_TEST = 3;
const VISIBILITY = 2; // seconds; short, since some adapters must wait for it

/** Duties of every JobQueue. Order and fairness are not in it: SQS promises neither exactly. */
export function jobQueueContract(name: string, open: () => Promise<JobQueueUnderTest>): void {
  describe(`${name}: job queue`, () => {
    let subject: JobQueueUnderTest;
    let queue: JobQueue;

    beforeEach(async () => {
      subject = await open();
      queue = subject.queue;
    });
    afterEach(() => subject.close());

    const send = (jobId = 'job_1', tenant = 'acc_one') => queue.send({ jobId, tenant });
    const receive = (waitSeconds = 0, from = queue) => from.receive({ visibilitySeconds: VISIBILITY, waitSeconds });
    const mustReceive = async (from = queue): Promise<QueueMessage> => {
      const message = await receive(1, from);
      expect(message).not.toBeNull();
      return message!;
    };

    it('has nothing at first', async () => {
      expect(await receive()).toBeNull();
      expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    });

    it('delivers a sent message, then hides it', async () => {
      await send('job_1', 'acc_two');
      expect(await queue.depth()).toEqual({ visible: 1, inFlight: 0 });
      expect(await mustReceive()).toMatchObject({ jobId: 'job_1', tenant: 'acc_two', receiveCount: 1 });
      expect(await receive()).toBeNull();
      expect(await queue.depth()).toEqual({ visible: 0, inFlight: 1 });
    });

    it('delivers each message to one of many receivers', async () => {
      const ids = Array.from({ length: 20 }, (_, i) => `job_${i}`);
      for (const id of ids) await send(id);
      const messages = await Promise.all(Array.from({ length: 25 }, () => receive(1)));
      const delivered = messages.flatMap((message) => (message ? [message.jobId] : []));
      expect(delivered.toSorted()).toEqual(ids.toSorted());
    });

    it('delivers again when the visibility is over, with another receipt', async () => {
      await send();
      const first = await mustReceive();
      await subject.advance(VISIBILITY + 1);
      const second = await mustReceive();
      expect(second).toMatchObject({ jobId: 'job_1', receiveCount: 2 });
      expect(second.receipt).not.toBe(first.receipt);
    });

    it('lets an old receipt neither extend nor delete', async () => {
      await send();
      const first = await mustReceive();
      await subject.advance(VISIBILITY + 1);
      const second = await mustReceive();
      expect(await queue.extend(first.receipt, 0)).toBe(false);
      expect(await queue.delete(first.receipt)).toBe(false);
      expect(await receive()).toBeNull();
      expect(await queue.delete(second.receipt)).toBe(true);
      await subject.advance(VISIBILITY + 1);
      expect(await receive()).toBeNull();
      expect(await queue.delete(second.receipt)).toBe(false);
      expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    });

    it('deletes with the newest receipt although the visibility is over', async () => {
      await send();
      const { receipt } = await mustReceive();
      await subject.advance(VISIBILITY + 1);
      expect(await queue.delete(receipt)).toBe(true);
      expect(await receive()).toBeNull();
    });

    it('hides for longer when extended', async () => {
      await send();
      const { receipt } = await mustReceive();
      await subject.advance(VISIBILITY - 1);
      expect(await queue.extend(receipt, VISIBILITY + 2)).toBe(true);
      await subject.advance(VISIBILITY);
      expect(await receive()).toBeNull();
      await subject.advance(3);
      expect((await mustReceive()).receiveCount).toBe(2);
    });

    it('gives back at once', async () => {
      await send();
      const { receipt } = await mustReceive();
      expect(await queue.extend(receipt, 0)).toBe(true);
      expect((await mustReceive()).receiveCount).toBe(2);
    });

    it('knows nothing of a receipt that is not its own', async () => {
      await send();
      await mustReceive();
      expect(await queue.extend('no receipt', 5)).toBe(false);
      expect(await queue.delete('no receipt')).toBe(false);
    });

    it('moves a message to the dead letters instead of delivering it too often', async () => {
      await send('job_bad', 'acc_two');
      for (let i = 0; i < MAX_RECEIVES_UNDER_TEST; i++) {
        expect(await receive(1, subject.deadLetters)).toBeNull();
        await queue.extend((await mustReceive()).receipt, 0);
      }
      expect(await receive()).toBeNull();
      const dead = await mustReceive(subject.deadLetters);
      expect(dead).toMatchObject({ jobId: 'job_bad', tenant: 'acc_two' });
      expect(await subject.deadLetters.delete(dead.receipt)).toBe(true);
      expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    });

    it('waits for a message that is sent meanwhile', async () => {
      const started = performance.now();
      const waiting = receive(20);
      setTimeout(() => void send('job_late'), 200);
      expect((await waiting)?.jobId).toBe('job_late');
      expect(performance.now() - started).toBeGreaterThan(150);
      expect(performance.now() - started).toBeLessThan(15_000);
    });

    it('waits no longer than told', async () => {
      const started = performance.now();
      expect(await receive(1)).toBeNull();
      expect(performance.now() - started).toBeGreaterThan(900);
      expect(performance.now() - started).toBeLessThan(15_000);
    });

    it('stops waiting on abort and takes nothing', async () => {
      const abort = new AbortController();
      const started = performance.now();
      const waiting = queue.receive({ visibilitySeconds: VISIBILITY, waitSeconds: 20, signal: abort.signal });
      setTimeout(() => abort.abort(), 200);
      expect(await waiting).toBeNull();
      expect(performance.now() - started).toBeLessThan(15_000);
      await send();
      const aborted = { visibilitySeconds: VISIBILITY, waitSeconds: 1, signal: abort.signal };
      expect(await queue.receive(aborted)).toBeNull();
      expect((await mustReceive()).receiveCount).toBe(1);
    });
  });
}
