import { Hono, type HonoRequest } from 'hono';
import type { FileObjectStore, OpenFile } from '../shared/adapters/local/file-object-store.ts';
import { attachment } from '../shared/content-disposition.ts';
import { AppError } from '../shared/error.ts';
import type { Limits } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { fileArrived } from '../shared/notice-file.ts';
import { createPlaces, holdersOf, tellingEnd } from '../shared/places.ts';
import type { JobQueue, StateStore } from '../shared/ports.ts';
import type { PriceList } from '../shared/pricing.ts';
import type { StorageRoom } from '../shared/storage-room.ts';
import { allowPages, checkedByMd5, isToResume, notOfS3 } from './bucket-rules.ts';
import { answerWithFile } from './file-answer.ts';
import { readFormUpload } from './form-upload.ts';

interface BlobDependencies {
  state: StateStore;
  objects: FileObjectStore;
  queue: JobQueue;
  limits: Limits;
  prices: PriceList;
  /** Default: as much as there is need for. */
  room?: StorageRoom;
  log: Log;
}

/** Files on their way at the same time: each keeps a file open, and one that comes its bytes on the disk. */
const MAX_TRANSFERS = 400;
/** Of one file: a phone may have lost the connection, and not the service. */
const MAX_SENDERS = 4;

/**
 * Signed URLs, as S3 has them: takes uploads, hands out results. Any holder of a URL may use it; no key is asked. It is
 * as strict as S3, and refuses with the same status: test/aws/signed-requests.test.ts sends both the same. Resuming an
 * upload, which S3 cannot, has a URL of its own.
 */
export function createBlobRoutes(deps: BlobDependencies): Hono {
  const { objects, room } = deps;
  const routes = new Hono();
  const places = createPlaces({ policy: 'transfers', total: MAX_TRANSFERS });
  /** The key of a file names its owner. */
  const accountOf = (key: string) => key.split('/')[1] ?? '';
  const holders = (key: string) => holdersOf({ account: accountOf(key) });

  async function receive(key: string, bytes: number, store: () => Promise<unknown>) {
    const release = places.take([...holders(key), { kind: 'file', id: key, most: MAX_SENDERS }]);
    let leave: (() => void) | undefined;
    try {
      leave = await room?.hold(accountOf(key), bytes);
      // Also where it fails at its end, or the file has come before: its sender may not send it again.
      await store().finally(() => announce(deps, key));
    } finally {
      leave?.();
      release();
    }
  }

  /** With a place that is given back with the file; HEAD has nothing to hold. */
  async function open(key: string, method: string): Promise<OpenFile | null> {
    const release = method === 'HEAD' ? () => {} : places.take(holders(key));
    const file = await objects.open(key).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!file) {
      release();
      return null;
    }
    const close = async () => {
      release();
      await file.close();
    };
    return { ...file, close, read: (range) => tellingEnd(file.read(range), release) };
  }

  routes.use(allowPages);
  routes.put('/*', async (c) => {
    const allowed = objects.verifySignedRequest(c.req.raw);
    if (allowed.method !== 'PUT') throw new AppError('signature-invalid', 'The URL is for a download.');
    const { key, bytes } = allowed;
    await receive(key, bytes, () => objects.receive(allowed, bodyOf(c.req, bytes), 0));
    return c.body(null, 200);
  });
  // No URL is signed for it.
  routes.delete('/*', (c) => {
    throw new AppError('signature-invalid', `No URL is signed for ${c.req.method}.`);
  });

  // The rest of an upload whose connection broke.
  routes.patch('/*', async (c) => {
    if (!isToResume(c.req)) throw notOfS3();
    const allowed = objects.verifySignedRequest(c.req.raw);
    if (allowed.method !== 'PATCH') throw notOfS3();
    const { key, bytes } = allowed;
    const offset = readOffset(c.req.header('Upload-Offset'), bytes);
    const left = bytes - offset;
    await receive(key, left, () => objects.receive(allowed, bodyOf(c.req, left), offset));
    return c.body(null, 200, { 'Upload-Complete': '?1' });
  });

  // An HTML form sends nothing but the fields that were signed, then the file.
  routes.post('/form', async (c) => {
    const body = c.req.raw.body ?? new Blob([]).stream();
    const form = await readFormUpload(body, c.req.header('Content-Type') ?? null);
    const { key, contentType, bytes } = objects.verifySignedForm(form.fields);
    await receive(key, bytes, () => objects.put(key, form.file(bytes), { contentType }));
    return c.body(null, 201);
  });

  // Hono hands HEAD requests over to this, too.
  routes.get('/*', async (c) => {
    const allowed = objects.verifySignedRequest(c.req.raw);
    if (allowed.method === 'PUT') throw new AppError('signature-invalid', 'The URL is for an upload.');
    if (allowed.method === 'PATCH') {
      const bytes = await objects.received(allowed);
      return c.body(null, 204, {
        'Upload-Offset': String(bytes),
        'Upload-Complete': bytes === allowed.bytes ? '?1' : '?0',
        'Cache-Control': 'no-store',
      });
    }
    const file = await open(allowed.key, c.req.method);
    if (!file) throw new AppError('not-found', 'The file has been deleted.');
    return answerWithFile(c.req.raw, file, {
      'Content-Disposition': attachment(allowed.filename),
      'Cache-Control': 'private, max-age=3600, immutable',
      // A page that admits only resources that agree to it may show these.
      'Cross-Origin-Resource-Policy': 'cross-origin',
      // These bytes came from outside and are served from the origin of the API.
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox",
    });
  });

  return routes;
}

/** The body, which fails at its end where it has another length, or does not match its Content-MD5. */
function bodyOf(request: HonoRequest, bytes: number): ReadableStream<Uint8Array> {
  const body = request.raw.body ?? new Blob([]).stream();
  return exactly(checkedByMd5(body, request.header('Content-MD5')), bytes);
}

function readOffset(header: string | undefined, bytes: number): number {
  const offset = /^\d{1,15}$/.test(header ?? '') ? Number(header) : Number.NaN;
  if (offset < bytes) return offset;
  throw new AppError('malformed', `Upload-Offset must be a number below ${bytes}; it is ${header ?? 'absent'}.`);
}

/** Fails, so that nothing is stored, when the body has another length than was signed: the header is only a claim. */
function exactly(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream<Uint8Array> {
  let seen = 0;
  const refuse = () =>
    new AppError('malformed', `The body has ${seen} bytes so far or in all; ${bytes} were announced.`);
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      seen += chunk.byteLength;
      if (seen > bytes) controller.error(refuse());
      else controller.enqueue(chunk);
    },
    flush(controller) {
      if (seen !== bytes) controller.error(refuse());
    },
  });
  return body.pipeThrough(counter);
}

/** The jobs that awaited this upload can go on. The upload itself has succeeded, even if they fail. */
async function announce(deps: BlobDependencies, key: string): Promise<void> {
  try {
    await fileArrived(deps, key);
  } catch (error) {
    deps.log.error('blob.announce-failed', { key, error }); // the reaper looks again
  }
}
