import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ChangeMessageVisibilityCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitArrived } from '../../functions/arrive/arrive.ts';
import { createEngine } from '../../gpu-worker/engine.ts';
import { createBlobRoutes } from '../../local/blob-routes.ts';
import type { FileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { createLog } from '../../shared/log.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';
import { noting } from '../support/asked.ts';
import { AWS } from '../support/aws-servers.ts';
import { createClock } from '../support/clock.ts';
import { FAULTS } from '../support/faults.ts';
import { live } from '../support/life.ts';
import { type Fault, HITS_EVERY_CALL, PATIENT_MILLISECONDS, siteOf } from '../support/part-faults.ts';
import type { Place } from '../support/place.ts';
import { quickRetries } from '../support/quick-retries.ts';
import { startReceiver } from '../support/receiver.ts';
import { createService, pngOf } from '../support/service.ts';
import { skewDate, skewMilliseconds } from '../support/skewed-clock.ts';
import { openTroubledStores, PARTS, startServers, type TroubledStores } from '../support/troubled-stores.ts';

/**
 * The same life of an account in both modes, undisturbed and with some fifty faults, each at every call that it can be at:
 * its outcome is always the same. Time is made short: pauses of the SDK, of workers and of clients, and the clock; and
 * several worlds live side by side.
 */

/** As many tests as Vitest runs at the same time; each world has its own table, bucket, queues, proxies and engine. */
const WORLDS = 5;

let directory: string;
let photo: Uint8Array;
const worlds = { local: [] as World[], AWS: [] as World[] };
const closing: (() => unknown)[] = [];

type Servers = Awaited<ReturnType<typeof startServers>>;
type Ports = Place['workerPorts'];

interface World {
  place: Place;
  stores?: TroubledStores;
}

beforeAll(async () => {
  closing.push(skewDate());
  directory = await mkdtemp(join(tmpdir(), 'seesr-faults-'));
  photo = await pngOf(12, 8);
  const servers = await startServers();
  closing.push(servers.close);
  worlds.local = [await openLocal()];
  worlds.AWS = await Promise.all(Array.from({ length: WORLDS }, () => openAws(servers)));
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await rm(directory, { recursive: true, force: true });
});

const signer = createSigner(
  parseSigningKey(JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }))),
);

async function common() {
  const scratchDirectory = await mkdtemp(join(directory, 'world-'));
  const log = createLog('silent', () => {});
  const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log });
  closing.push(() => engine.close());
  const source = { status: 200, headers: { 'content-type': 'image/png' }, body: photo };
  const [hook, target, from] = await Promise.all([startReceiver(204), startReceiver(201), startReceiver(source)]);
  const receivers = { hook, target, source: from };
  for (const receiver of Object.values(receivers)) closing.push(receiver.close);
  // Links are signed by the clock of the machine.
  const clock = createClock(Date.now());
  const now = () => clock.now() + skewMilliseconds();
  const outbound = createGuardedFetch({
    allowHttp: false,
    allowHosts: Object.values(receivers).map(({ host }) => host),
  });
  return {
    place: { engine, scratchDirectory, receivers, clock },
    given: { prices: PRICE_LISTS.standard, signer, outbound, now },
  };
}

async function openLocal(): Promise<World> {
  const { place, given } = await common();
  const service = { ...(await createService(given)), outbound: given.outbound };
  closing.push(service.close);
  const { state, objects, queue, app, database } = service;
  app.route('/blobs', createBlobRoutes({ ...service, objects: objects as FileObjectStore }));
  const opened: Place = {
    ...place,
    service,
    workerPorts: { state, objects, queue },
    truth: { state, objects, queue },
    send: async ({ url, method, headers }, file) =>
      (
        await app.request(url, {
          method,
          headers: { ...headers, 'Content-Length': `${file.length}` },
          body: new Uint8Array(file),
        })
      ).status,
    follow: (url) => Promise.resolve(app.request(url)),
    notice: async () => {}, // the part that took the file has done it
    disturb() {
      const another = new DatabaseSync(database.location()!, { timeout: 0 });
      let isLocked = false;
      const timer = setInterval(() => {
        if (isLocked) another.exec('ROLLBACK');
        try {
          if (!isLocked) another.exec('BEGIN EXCLUSIVE');
          isLocked = !isLocked;
        } catch {
          // the service has it at this moment
        }
      }, 20);
      return () => {
        clearInterval(timer);
        another.close();
      };
    },
  };
  return { place: opened };
}

async function openAws(servers: Servers): Promise<World> {
  const { place, given } = await common();
  const retryStrategy = quickRetries();
  const quick = { retryStrategy, requestHandler: { socketTimeout: PATIENT_MILLISECONDS } };
  const stores = await openTroubledStores(given.now, {
    servers,
    sdk: { s3: quick, sqs: quick, dynamo: quick },
    pollMilliseconds: 100,
  });
  closing.push(stores.close);
  const queueClient = new SQSClient({ ...AWS, endpoint: stores.variables.AWS_ENDPOINT_URL_SQS });
  // A message that nobody got is hidden for a minute and a half, which are made short.
  stores.proxies.sqs.tellLosses(async ({ operation }, answer) => {
    if (operation !== 'ReceiveMessage') return;
    const { Messages = [] } = JSON.parse(answer.toString()) as { Messages?: { ReceiptHandle: string }[] };
    for (const { ReceiptHandle } of Messages) {
      const QueueUrl = stores.variables.QUEUE_URL;
      await queueClient.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
    }
  });
  const portsOf = ({ state, objects, queue }: Ports) => ({
    state: noting(state, verbs),
    objects: noting(objects, verbs),
    queue: noting(queue, verbs),
  });
  const ports = { ...portsOf(stores.stores), deadLetters: noting(stores.stores.deadLetters, verbs) };
  const created = await createService({ ...given, ...ports });
  closing.push(created.close);
  const service = { ...created, ...given, ...ports };
  const opened: Place = {
    ...place,
    service: service as unknown as Place['service'],
    workerPorts: portsOf(stores.openAnother()),
    truth: stores.direct,
    send: async ({ url, method, headers }, file) =>
      (await fetch(url, { method, headers, body: new Uint8Array(file) })).status,
    follow: (url) => fetch(url),
    notice: (key) => admitArrived(service, { Records: [{ s3: { object: { key } } }] }),
  };
  return { place: opened, stores };
}

const verbs = { all: new Set<string>(), used: new Set<string>() };
/** It is signed without asking anybody. */
const UNUSED = ['signForm'];
/** Calls of long attempts only, and those that depend on which of worker and API is first with a job of a batch. */
const BY_CHANCE = /^updateJob (progress|heartbeat):|^updateJob (claim|sent): BatchGetItem$/;

let accounts = 0;
let undisturbed: Record<string, unknown>;
/** By part, the calls of its adapter where nothing is wrong. */
const sites: Record<string, Set<string>> = {};

it('in both modes the same comes of a life that nothing disturbs', async () => {
  // The model is loaded before: a job that waits for it says so.
  const all = [...worlds.local, ...worlds.AWS];
  await Promise.all(all.map(({ place }, i) => live(place, `acc_warm_${i}`, photo)));
  undisturbed = await live(worlds.local[0]!.place, `acc_${accounts++}`, photo);
  expect(undisturbed).toMatchObject({ 'problems, before': [], 'problems, after': [], queueIsEmpty: true });
  expect(undisturbed.first).toMatchObject({ body: { status: 'succeeded', charge: { state: 'captured' } } });
  const [{ place, stores }] = worlds.AWS as [Required<World>];
  for (const part of PARTS) {
    sites[part] = new Set();
    stores.proxies[part].doHarm(({ asked }) => {
      if (asked && !BY_CHANCE.test(siteOf(asked))) sites[part]!.add(siteOf(asked));
      return undefined;
    });
  }
  expect(await live(place, `acc_${accounts++}`, photo)).toEqual(undisturbed);
  stores.doNoHarm();
  expect([...verbs.all].filter((name) => !verbs.used.has(name)).sort()).toEqual(UNUSED);
});

/** Those of `sites` that each fault at every call has not hit. */
const missed: Record<string, string[]> = {};
/** A call that fails may keep others from being made at all: these are hit in another life. */
const MAX_LIVES = 4;

async function endure(mode: keyof typeof worlds, name: string, fault: Fault): Promise<void> {
  const world = worlds[mode].pop()!;
  const part = HITS_EVERY_CALL[name];
  try {
    for (let lives = 0; lives < (part ? MAX_LIVES : 1) && missed[name]?.length !== 0; lives++) {
      const left = missed[name];
      const {
        place,
        hit,
        end = () => {},
      } = fault.begin(world.place, world.stores, (site) => left?.includes(site) ?? true);
      try {
        expect(await live(place, `acc_${accounts++}`, photo)).toEqual(undisturbed);
      } finally {
        end();
      }
      if (part) missed[name] = (left ?? [...sites[part]!]).filter((site) => !hit!.has(site));
    }
  } finally {
    worlds[mode].push(world);
  }
}

const faultsOf = (mode: keyof typeof worlds) =>
  Object.entries(FAULTS).filter(([, { only }]) => only === undefined || only === mode);

describe('local: the same comes of it where', () => {
  it.each(faultsOf('local'))('%s', (name, fault) => endure('local', name, fault));
});

describe('AWS: the same comes of it where', () => {
  it.concurrent.each(faultsOf('AWS'))('%s', (name, fault) => endure('AWS', name, fault));
});

it('no call was left out', () => {
  const names = Object.keys(HITS_EVERY_CALL);
  expect(missed).toEqual(Object.fromEntries(names.map((name) => [name, []])));
});
