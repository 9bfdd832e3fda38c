import { noAnswer } from './deadline.ts';
import type { JobQueue, ObjectStore, StateStore } from './ports.ts';
import type { StorageRoom } from './storage-room.ts';

interface Stores {
  state: StateStore;
  objects: ObjectStore & {
    open?(key: string): Promise<{ close(): Promise<void> } | null>;
    // biome-ignore lint/suspicious/noExplicitAny: the store alone knows its type.
    receive?(upload: any, body: ReadableStream<Uint8Array>, offset: number): Promise<void>;
    // biome-ignore lint/suspicious/noExplicitAny: the same.
    received?(upload: any): Promise<number>;
  };
  queue: JobQueue;
  deadLetters: JobQueue;
}

interface Patience {
  /** For an answer. */
  answerMilliseconds: number;
  /** For the next bytes to be written, and for the last ones to be on disk. */
  writeMilliseconds: number;
}

/** A disk that is busy answers within seconds; one that does not by then is gone. */
const PATIENCE: Patience = { answerMilliseconds: 15_000, writeMilliseconds: 60_000 };

/**
 * The same stores, of which no call waits for ever: it ends with `unavailable`, and may have happened all the same. A store that owes
 * an answer is asked ever more seldom: each question could take another thread of the process with it.
 */
export function boundStores<Given extends Stores>(stores: Given, patience: Patience = PATIENCE): Given {
  const ask = (part: string) => createAsking(part, patience.answerMilliseconds);
  const bounded: Stores = {
    state: boundVerbs(stores.state, ask('state')),
    objects: boundObjects(stores.objects, ask('storage'), patience),
    queue: boundQueue(stores.queue, ask('queue'), patience),
    deadLetters: boundQueue(stores.deadLetters, ask('queue of dead letters'), patience),
  };
  return { ...stores, ...bounded };
}

export function boundRoom(room: StorageRoom, patience: Patience = PATIENCE): StorageRoom {
  const ask = createAsking('storage', patience.answerMilliseconds);
  return { ...boundVerbs(room, ask), probe: (bytes) => ask(() => room.probe(bytes), patience.writeMilliseconds) };
}

/** Of the pause before another question. */
const MOST_DOUBLINGS = 4;

/** Its time runs while the store works, not while something is awaited from elsewhere. */
interface Watch {
  stop(): void;
  goOn(): void;
}

type Asking = ReturnType<typeof createAsking>;

function createAsking(part: string, answerMilliseconds: number) {
  /** Since the last answer. */
  let owed = 0;
  let askAgainAt = 0;
  /** `discard`: gives back what an answer holds that nobody waits for any more. */
  return function ask<Answer>(
    call: (watch: Watch) => Promise<Answer>,
    milliseconds = answerMilliseconds,
    discard?: (answer: Answer) => unknown,
  ) {
    const now = performance.now();
    if (owed > 0 && now < askAgainAt) return Promise.reject<Answer>(noAnswer(part, answerMilliseconds));
    askAgainAt = now + answerMilliseconds * 2 ** Math.min(owed, MOST_DOUBLINGS);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isLate = false;
    const watch: Watch = {
      stop: () => clearTimeout(timer),
      goOn() {
        clearTimeout(timer);
        timer = setTimeout(() => {
          owed++;
          isLate = true;
          reject(noAnswer(part, milliseconds));
        }, milliseconds);
      },
    };
    watch.goOn();
    const answer = async () => {
      const answered = await call(watch);
      if (isLate) await discard?.(answered);
      return answered;
    };
    void answer()
      .then(resolve, reject)
      .finally(() => {
        watch.stop();
        owed = 0;
      });
    return promise;
  };
}

function boundVerbs<Verbs extends object>(verbs: Verbs, ask: Asking): Verbs {
  const bounded = Object.entries(verbs).map(([name, verb]: [string, (...given: unknown[]) => Promise<unknown>]) => {
    return [name, (...given: unknown[]) => ask(() => verb(...given))];
  });
  return Object.fromEntries(bounded);
}

function boundQueue(queue: JobQueue, ask: Asking, { answerMilliseconds }: Patience): JobQueue {
  return {
    ...boundVerbs(queue, ask),
    receive: (options) => ask(() => queue.receive(options), options.waitSeconds * 1000 + answerMilliseconds),
  };
}

function boundObjects<Objects extends Stores['objects']>(
  objects: Objects,
  ask: Asking,
  { answerMilliseconds, writeMilliseconds }: Patience,
): Objects {
  const { open, receive, received } = objects;
  return {
    ...objects,
    put: (...[key, body, options]: Parameters<ObjectStore['put']>) =>
      ask((watch) => objects.put(key, watched(body, watch), options), writeMilliseconds),
    async get(key: string, range?: { first: number; last: number }) {
      const object = await ask(
        () => objects.get(key, range),
        answerMilliseconds,
        (late) => late?.body.cancel(),
      );
      return object && { ...object, body: answering(object.body, ask) };
    },
    head: (key: string) => ask(() => objects.head(key)),
    delete: (key: string) => ask(() => objects.delete(key)),
    ...(open && {
      open: (key: string) =>
        ask(
          () => open(key),
          answerMilliseconds,
          (late) => late?.close(),
        ),
    }),
    ...(receive && {
      receive: (upload: unknown, body: ReadableStream<Uint8Array>, offset: number) =>
        ask((watch) => receive.call(objects, upload, watched(body, watch), offset), writeMilliseconds),
    }),
    ...(received && { received: (upload: unknown) => ask(() => received.call(objects, upload)) }),
  };
}

/** The body, for whose bytes the store is not to blame. */
function watched(body: ReadableStream<Uint8Array>, watch: Watch): ReadableStream<Uint8Array> {
  return reading(body, async (read) => {
    watch.stop();
    try {
      return await read();
    } finally {
      watch.goOn();
    }
  });
}

/** The body, whose bytes come from the store. */
function answering(body: ReadableStream<Uint8Array>, ask: Asking): ReadableStream<Uint8Array> {
  return reading(body, (read) => ask(read));
}

type Read = ReadableStreamDefaultReader<Uint8Array>['read'];

function reading(body: ReadableStream<Uint8Array>, around: (read: Read) => ReturnType<Read>) {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await around(() => reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
