import { atEveryLocalCall, LOCKS } from './local-faults.ts';
import { AT_SOME_CALLS, atEveryCall } from './part-faults.ts';
import type { Place } from './place.ts';
import { atSkew } from './skewed-clock.ts';
import type { Fault } from './world.ts';

/** Faults around the service that last for a while. */

type Message = Parameters<Place['truth']['queue']['send']>[0];

function ofQueue(send: (place: Place, message: Message) => Promise<void>): Fault {
  return {
    begin: ({ place }) => {
      const queue = {
        ...place.service.queue,
        send: (message: Message) => send(place, message),
      };
      return { place: { ...place, service: { ...place.service, queue } } };
    },
  };
}

/** Each job's first message is treated so, all others as usual. */
function ofFirstMessage(treat: (place: Place, message: Message) => Promise<void>): Fault {
  const seen = new Set<string>();
  return ofQueue(async (place, message) => {
    if (seen.has(message.jobId)) return place.service.queue.send(message);
    seen.add(message.jobId);
    return treat(place, message);
  });
}

const ofClient = (changes: (place: Place) => Partial<Place>): Fault => ({
  begin: ({ place }) => ({ place: { ...place, ...changes(place) } }),
});

/** `ahead`: of a clock, in minutes. In a worker of its own, or in all that the service does, on the same machine or others. */
function ofClocks({ worker = 0, service = 0 }: { worker?: number; service?: number }): Fault {
  const at =
    (minutes: number) =>
    <Result>(work: () => Result) =>
      atSkew(() => minutes * 60_000, work);
  return { begin: ({ place }) => ({ place: { ...place, inWorker: at(worker), inService: at(service) } }) };
}

/** The clock of the machine, which all programs share, is put right again and again. */
const ofSteps = (minutes: number): Fault => ({
  begin({ place }) {
    let isWrong = false;
    const at = <Result>(work: () => Result) => atSkew(() => (isWrong ? minutes * 60_000 : 0), work);
    const advance = (seconds: number) => {
      isWrong = !isWrong;
      return place.clock.advance(seconds);
    };
    return { place: { ...place, clock: { ...place.clock, advance }, inWorker: at, inService: at } };
  },
});

/** Messages come so much later than they were sent; `twice`: and at once too. */
const ofDelay = (minutes: number, { twice = false } = {}): Fault => ({
  begin({ place }) {
    const { clock } = place;
    const { queue } = place.service;
    const late: { at: number; message: Message }[] = [];
    const send = async (message: Message) => {
      late.push({ at: clock.now() + minutes * 60_000, message });
      if (twice) await queue.send(message);
    };
    const advance = async (seconds: number) => {
      clock.advance(seconds);
      for (const each of late.filter(({ at }) => at <= clock.now())) {
        late.splice(late.indexOf(each), 1);
        await place.truth.queue.send(each.message);
      }
    };
    return {
      place: { ...place, clock: { ...clock, advance }, service: { ...place.service, queue: { ...queue, send } } },
    };
  },
});

const ofReceiver = (name: keyof Place['receivers'], answer: number | 'drop'): Fault => ({
  begin({ place }) {
    place.receivers[name].answerNext(answer, answer);
    return { place };
  },
});

export const FAULTS: Record<string, Fault> = {
  ...atEveryCall(),
  ...AT_SOME_CALLS,
  ...atEveryLocalCall(),
  'messages come twice': ofQueue(async ({ service }, message) => {
    await service.queue.send(message);
    await service.queue.send(message);
  }),
  // A job is sent again after 15 minutes, and its first message may come before that, with it, or long after.
  'messages come minutes late': ofDelay(5),
  'messages come after their jobs were sent again': ofDelay(20),
  'messages come hours late': ofDelay(120),
  'messages come again when their jobs are done': ofDelay(10, { twice: true }),
  'messages come again when their jobs are deleted': ofDelay(3 * 24 * 60, { twice: true }),
  'messages are lost': ofFirstMessage(async () => {}),
  'messages of nobody’s jobs are among them': ofQueue(async ({ service }, message) => {
    await service.queue.send({ ...message, jobId: 'job_00000000000000000000000000' });
    await service.queue.send(message);
  }),
  'answers to the client are lost': ofClient(() => ({ repeats: 'after' })),
  'requests of the client come twice at once': ofClient(() => ({ repeats: 'at once' })),
  'files come twice': ofClient(({ send }) => ({
    send: async (upload, file) => {
      await send(upload, file);
      return send(upload, file);
    },
  })),
  'nobody tells of files': ofClient(() => ({ notice: async () => {} })),
  'files are told of twice': ofClient(({ notice }) => ({
    notice: async (key) => {
      await notice(key);
      await notice(key);
    },
  })),
  'the receiver of webhooks is out of order': ofReceiver('hook', 500),
  'the receiver of webhooks hangs up': ofReceiver('hook', 'drop'),
  'the receiver of results is out of order': ofReceiver('target', 503),
  'the source of photos is out of order': ofReceiver('source', 503),
  // S3 takes requests of a clock that is wrong by less than 15 minutes, and refuses all others.
  'the clock of the worker is ahead': ofClocks({ worker: 10 }),
  'the clock of the worker is behind': ofClocks({ worker: -10 }),
  'the clock of the service is ahead': ofClocks({ service: 10 }),
  'the clock of the service is behind': ofClocks({ service: -10 }),
  'the clock of the worker is far ahead': ofClocks({ worker: 40 }),
  'the clock of the worker is far behind': ofClocks({ worker: -40 }),
  'the clock of the service is far ahead': ofClocks({ service: 40 }),
  'the clock of the service is far behind': ofClocks({ service: -40 }),
  'the clocks of worker and service are wrong in opposite ways': ofClocks({ worker: 25, service: -25 }),
  'the clock of the machine steps ahead and back': ofSteps(10),
  'another program locks the database for moments': LOCKS,
};
