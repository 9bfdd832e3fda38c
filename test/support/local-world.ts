import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { createBlobRoutes } from '../../local/blob-routes.ts';
import { openDatabase } from '../../shared/adapters/local/database.ts';
import { createFileObjectStore, UNFINISHED } from '../../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { boundStores } from '../../shared/bounded-stores.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { noting, type Verbs } from './asked.ts';
import { harmDatabase } from './harmful-database.ts';
import { harmFiles } from './harmful-files.ts';
import { type Announced, asksForPatience, MAX_ASKED, type Place, patiently, settle } from './place.ts';
import { createService } from './service.ts';
import { surround } from './surroundings.ts';
import type { World } from './world.ts';

/** The bounds of the service, made short. */
export const BOUNDS = { answerMilliseconds: 150, writeMilliseconds: 300 };

export interface LocalWorld extends World {
  parts: { database: ReturnType<typeof harmDatabase>; files: ReturnType<typeof harmFiles> };
}

/** The API and its ports on SQLite and files, as `npm start` has them, in a directory of its own. One at a time. */
export async function openLocalWorld(
  photo: Uint8Array,
  verbs: Verbs = { all: new Set(), used: new Set() },
): Promise<LocalWorld> {
  const { directory, place, given, close } = await surround(photo);
  const { now } = given;
  const objectsDirectory = join(directory, 'objects');
  const database = openDatabase(directory);
  const parts = { database: harmDatabase(database), files: harmFiles() };
  const open = (db: typeof database) => ({
    state: createSqliteStateStore(db, { now }),
    objects: createFileObjectStore({ directory: objectsDirectory, secret: 'a secret', now }),
    queue: createSqliteJobQueue(db, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: 'dead-letters' }),
    deadLetters: createSqliteJobQueue(db, { name: 'dead-letters', now }),
  });
  const bounded = boundStores(open(parts.database.handle), BOUNDS);
  const ports = {
    state: noting(bounded.state, verbs),
    objects: noting(bounded.objects, verbs),
    queue: noting(bounded.queue, verbs),
    deadLetters: noting(bounded.deadLetters, verbs),
  };
  const created = await createService({ ...given, ...ports });
  let attempts = 0;
  const log = createLog('info', (line) => {
    const { event } = JSON.parse(line) as { event: string };
    if (event === 'attempt.started') attempts++;
    if (event === 'attempt.ended' || event === 'attempt.failed') attempts--;
  });
  const service = { ...created, ...given, ...ports, log };
  const { app } = service;
  app.route('/blobs', createBlobRoutes(service));
  const truth = open(database);

  const whole: Place = {
    ...place,
    service,
    workerPorts: ports,
    truth: {
      ...truth,
      queue: {
        ...truth.queue,
        /** Where a message is hidden that nobody works on, its time passes. */
        async depth() {
          const depth = await truth.queue.depth();
          if (depth.visible === 0 && depth.inFlight > 0 && attempts === 0) place.clock.advance(1);
          return depth;
        },
      },
    },
    send: (upload, file) => send(app, upload, file),
    follow: (url) => answered(() => app.request(url)),
    notice: async () => {}, // the part that took the file has done it
  };

  return {
    parts,
    place: whole,
    async check() {
      const { files } = parts;
      await files.end();
      await expect.poll(() => files.openCount(), { timeout: 5_000 }).toBe(0);
      // What could not be erased, or removed, goes with the next.
      await settle(whole);
      await patiently(() => bounded.objects.put('last', new Blob([]).stream(), { contentType: 'image/png' }));
      await patiently(() => bounded.objects.delete('last'));
      expect(await readdir(objectsDirectory, { recursive: true })).toEqual([UNFINISHED]);
    },
    async close() {
      parts.files.close();
      parts.database.another.close();
      await created.close();
      database.close();
      await close();
    },
  };
}

type App = Place['service']['app'];

/** As the client does: what has come is not sent again. Returns the last status. */
async function send(app: App, upload: Announced & { resume_url?: string }, file: Uint8Array): Promise<number> {
  const { url, method, headers, resume_url: resume = '' } = upload;
  const { status } = await answered(async () => {
    const asked = await answered(() => app.request(resume, { method: 'HEAD' }));
    const offset = Number(asked.headers.get('Upload-Offset'));
    if (offset === file.length) return new Response();
    const body = new Uint8Array(file.subarray(offset));
    const length = { 'Content-Length': `${body.length}` };
    if (offset === 0) return app.request(url, { method, headers: { ...headers, ...length }, body });
    return app.request(resume, { method: 'PATCH', headers: { 'Upload-Offset': `${offset}`, ...length }, body });
  });
  return status;
}

async function answered(ask: () => Response | Promise<Response>): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await ask();
    const body = await answer.arrayBuffer().catch(() => undefined); // it breaks off
    if (answer.status < 500 && body) return new Response(body.byteLength > 0 ? body : null, answer);
    const text = new TextDecoder().decode(body);
    const isPatient = tries < MAX_ASKED && (!body || asksForPatience(answer, text));
    if (!isPatient) throw new Error(`It was answered ${answer.status} ${text}.`);
    await sleep(tries);
  }
}
