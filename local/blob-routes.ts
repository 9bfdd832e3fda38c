import { Hono } from 'hono';
import type { FileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { uploadArrived } from '../shared/admission.ts';
import { AppError } from '../shared/error.ts';
import type { Limits } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import type { JobQueue, StateStore } from '../shared/ports.ts';
import type { PriceList } from '../shared/pricing.ts';
import type { StorageRoom } from '../shared/storage-room.ts';
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

/** What S3 does for signed URLs: takes uploads, hands out results. Whoever has the URL may use it; no key is asked. */
export function createBlobRoutes(deps: BlobDependencies): Hono {
  const { objects, room } = deps;
  const routes = new Hono();

  routes.put('/*', async (c) => {
    const allowed = objects.verifySignedRequest(c.req.raw);
    if (allowed.method !== 'PUT') throw new AppError('signature-invalid', 'The URL is for a download.');
    await room?.check(allowed.bytes);
    const body = c.req.raw.body ?? new Blob([]).stream();
    await objects.put(allowed.key, exactly(body, allowed.bytes), { contentType: allowed.contentType });
    await announce(deps, allowed.key);
    return c.body(null, 200);
  });

  // What an HTML form sends: nothing but the fields that were signed, then the file.
  routes.post('/form', async (c) => {
    const body = c.req.raw.body ?? new Blob([]).stream();
    const form = await readFormUpload(body, c.req.header('Content-Type') ?? null);
    const { key, contentType, bytes } = objects.verifySignedForm(form.fields);
    await room?.check(bytes);
    await objects.put(key, form.file(bytes), { contentType });
    await announce(deps, key);
    return c.body(null, 201);
  });

  // Hono hands HEAD requests over to this, too.
  routes.get('/*', async (c) => {
    const { url, headers } = c.req.raw;
    const allowed = objects.verifySignedRequest({ method: 'GET', url, headers });
    if (allowed.method !== 'GET') throw new AppError('signature-invalid', 'The URL is for an upload.');
    // A body that nobody reads would keep its file open.
    const isHead = c.req.method === 'HEAD';
    const object = await (isHead ? headOf(objects, allowed.key) : objects.get(allowed.key));
    if (!object) throw new AppError('gone', 'The file has been deleted.');
    const headersOfFile = {
      'Content-Type': object.contentType,
      'Content-Length': String(object.bytes),
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(allowed.filename)}`,
      'Cache-Control': 'private, max-age=3600, immutable',
      // These bytes came from outside and are served from the origin of the API.
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox",
    };
    return new Response(object.body, { headers: headersOfFile });
  });

  return routes;
}

async function headOf(objects: FileObjectStore, key: string) {
  const head = await objects.head(key);
  return head && { ...head, body: null };
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

/** The jobs that awaited this upload can go on. The upload itself has succeeded, whatever comes of them. */
async function announce(deps: BlobDependencies, key: string): Promise<void> {
  try {
    const upload = await deps.state.getUpload(key.split('/').at(-1) ?? '');
    if (upload?.key === key) await uploadArrived(deps, upload);
  } catch (error) {
    deps.log.error('blob.announce-failed', { key, error }); // the reaper looks again
  }
}
