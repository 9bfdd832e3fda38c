import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readFormUpload } from '../../local/form-upload.ts';
import type { FileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { toProblem } from '../../shared/error.ts';

/** The least server behind signed URLs: tests the store without the API. */
export async function startBlobServer(store: FileObjectStore): Promise<{ origin: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    answer(store, request, response).catch((error: unknown) => {
      // The answer broke off half way, or its reader, who has all bytes by now, closed the connection.
      if (response.headersSent) return response.destroy();
      const problem = toProblem(error);
      response.writeHead(problem.status, { Connection: 'close' }).end(problem.detail);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(store: FileObjectStore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    const form = await readFormUpload(Readable.toWeb(request), request.headers['content-type'] ?? null);
    const { key, contentType, bytes } = store.verifySignedForm(form.fields);
    await store.put(key, form.file(bytes), { contentType });
    response.writeHead(201).end();
    return;
  }
  const isHead = request.method === 'HEAD';
  const allowed = store.verifySignedRequest({
    method: request.method ?? '',
    url: new URL(request.url ?? '', 'http://localhost').href,
    headers: new Headers(request.headers as Record<string, string>),
  });
  if (allowed.method === 'PUT') {
    await store.receive(allowed, Readable.toWeb(request), 0);
    response.writeHead(201).end();
    return;
  }
  if (allowed.method === 'PATCH') throw new Error('This server cannot go on with an upload.');
  const object = await store.get(allowed.key);
  if (!object) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'Content-Type': object.contentType,
    'Content-Length': object.bytes,
    'Content-Disposition': `attachment; filename="${allowed.filename}"`,
  });
  if (!isHead) return pipeline(Readable.fromWeb(object.body), response);
  await object.body.cancel();
  response.end();
}
