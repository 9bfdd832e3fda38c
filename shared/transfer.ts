import { faultError, unreachable } from './client-fault.ts';
import { type Patience, patiently } from './patience.ts';
import type { Answer } from './persist.ts';

/**
 * Files on their way to the store and back: how far they are, an end for stalled ones, and the part that a second
 * attempt need not carry again. Of the client: without streams or XMLHttpRequest progress is not told, or the file is
 * waited for as a whole.
 */

export type Photo = Blob | Uint8Array<ArrayBuffer>;

export interface Transfer {
  direction: 'up' | 'down';
  bytes: number;
  total: number;
}

interface TransferOptions {
  signal: AbortSignal | undefined;
  stallSeconds: number;
  onTransfer: (transfer: Transfer) => void;
}

interface Target {
  url: string;
  method: string;
  headers: Record<string, string>;
  resume_url?: string | undefined;
}

/** A runtime that does not tell how far it is gets the time that this many bytes a second take. */
const SLOWEST_BYTES_PER_SECOND = 10_000;
/** So many become one Blob, which browsers keep where there is room. */
const FOLDED_CHUNKS = 256;

const SENT: Answer = { ok: true, status: 200, headers: { get: () => null }, text: () => Promise.resolve('') };

export function lengthOf(photo: Photo): number {
  return photo instanceof Uint8Array ? photo.byteLength : photo.size;
}

/** Sends the file, again and again: each attempt goes on where the last one broke, where the store knows that. */
export function createSending(target: Target, photo: Photo, { signal, stallSeconds, onTransfer }: TransferOptions) {
  const total = lengthOf(photo);
  /** That the store is known to have. */
  let stored = 0;
  let isFirst = true;
  const tell = (bytes: number) => onTransfer({ direction: 'up', bytes, total });

  async function attempt(): Promise<Answer> {
    const { resume_url: resumeUrl } = target;
    const offset = isFirst || !resumeUrl ? 0 : await receivedOf(resumeUrl, { signal, seconds: stallSeconds });
    isFirst = false;
    stored = Math.max(stored, offset);
    tell(offset);
    if (offset === total) return SENT; // only the answer was lost
    const request =
      resumeUrl && offset > 0
        ? { url: resumeUrl, method: 'PATCH', headers: { 'Upload-Offset': String(offset) } }
        : target;
    const seconds = tellsProgress() ? stallSeconds : stallSeconds + total / SLOWEST_BYTES_PER_SECOND;
    try {
      const answer = await patiently(
        (given, renew) =>
          sendBody(request, rest(photo, offset), given, (bytes) => {
            renew();
            tell(offset + bytes);
          }),
        { signal, seconds },
      );
      if (answer.ok && isPage(answer)) throw foreign();
      return answer;
    } catch (error) {
      if (!(signal?.aborted || (await isReadable(photo)))) {
        throw faultError('unreadable', 'The file cannot be read any more: it was changed, moved or erased meanwhile.');
      }
      throw error;
    }
  }
  return { attempt, moved: () => stored };
}

/** Fetches the file, again and again: each attempt asks for the missing part. `total`: where it is known. */
export function createReceiving(
  url: string,
  total: number | undefined,
  { signal, stallSeconds, onTransfer }: TransferOptions,
) {
  let file: Blob | undefined;
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  const fold = (type = '') => {
    file = new Blob(file ? [file, ...chunks] : chunks, { type });
    chunks = [];
  };

  async function attempt(): Promise<Answer> {
    return patiently(
      async (given, renew) => {
        const headers: Record<string, string> =
          total !== undefined && received > 0 ? { Range: `bytes=${received}-` } : {};
        const response = await fetch(url, { headers, signal: given }).catch(unreachable);
        if (!response.ok) return response;
        if (response.status !== 206) {
          file = undefined;
          chunks = [];
          received = 0;
        }
        const type = response.headers.get('Content-Type') ?? '';
        const all = total ?? Number(response.headers.get('Content-Length') ?? 0);
        const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>> | null)?.getReader?.();
        if (!reader) file = await response.blob().catch(unreachable);
        for (
          let read = await reader?.read().catch(unreachable);
          read?.value;
          read = await reader?.read().catch(unreachable)
        ) {
          renew();
          chunks.push(read.value);
          received += read.value.byteLength;
          if (chunks.length > FOLDED_CHUNKS) fold(type);
          onTransfer({ direction: 'down', bytes: received, total: all });
        }
        if (reader) fold(type);
        if (total !== undefined && file?.size !== total) {
          received = 0;
          throw foreign();
        }
        return response;
      },
      { signal, seconds: stallSeconds },
    );
  }
  return { attempt, moved: () => received, file: () => file! };
}

/** How much of the upload has come (draft-ietf-httpbis-resumable-upload); nothing where the answer does not say. */
async function receivedOf(url: string, patience: Patience): Promise<number> {
  const head = (given: AbortSignal) => fetch(url, { method: 'HEAD', signal: given }).catch(unreachable);
  const { ok, headers } = await patiently(head, patience);
  return (ok && Number(headers.get('Upload-Offset'))) || 0;
}

function rest(photo: Photo, offset: number): Photo {
  if (offset === 0) return photo;
  return photo instanceof Uint8Array ? photo.subarray(offset) : photo.slice(offset);
}

interface BodyRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
}

type OnSent = (bytes: number) => void;

const isNode = () => {
  const { process, Bun, Deno } = globalThis as {
    process?: { versions?: { node?: string } };
    Bun?: unknown;
    Deno?: unknown;
  };
  return process?.versions?.node !== undefined && !Bun && !Deno;
};
const tellsProgress = () => 'XMLHttpRequest' in globalThis || isNode();

/** The needed part of `XMLHttpRequest`: Node has none, and its types belong to browsers. */
interface Sender {
  status: number;
  responseText: string;
  responseType: string;
  upload: { onprogress: (event: { loaded: number }) => void };
  onload: () => void;
  onerror: () => void;
  onabort: () => void;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getResponseHeader(name: string): string | null;
  send(body: Photo): void;
  abort(): void;
}

function sendBody(request: BodyRequest, body: Photo, signal: AbortSignal, onSent: OnSent): Promise<Answer> {
  const { XMLHttpRequest } = globalThis as unknown as { XMLHttpRequest?: new () => Sender };
  if (XMLHttpRequest) return sendBy(new XMLHttpRequest(), request, { body, signal, onSent });
  const { url, method, headers } = request;
  const options: RequestInit & { duplex?: 'half' } = { method, headers, body, signal };
  if (isNode()) {
    options.body = countingStream(body, onSent);
    options.duplex = 'half';
    options.headers = { ...headers, 'Content-Length': String(lengthOf(body)) };
  }
  return fetch(url, options).then(readText).catch(unreachable);
}

/** `fetch` tells nobody how much of a body has been sent. */
function sendBy(
  sender: Sender,
  { url, method, headers }: BodyRequest,
  { body, signal, onSent }: { body: Photo; signal: AbortSignal; onSent: OnSent },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const abort = () => sender.abort();
    const refuse = (error: Error) => () => {
      signal.removeEventListener('abort', abort);
      reject(error);
    };
    sender.open(method, url);
    sender.responseType = 'text'; // else Firefox reads an answer without a type as XML, and complains of it
    for (const [name, value] of Object.entries(headers)) sender.setRequestHeader(name, value);
    sender.upload.onprogress = ({ loaded }) => onSent(loaded);
    sender.onerror = refuse(faultError('unreachable', 'The connection broke while the file was sent.'));
    sender.onabort = refuse(Object.assign(new Error('The upload was aborted.'), { name: 'AbortError' }));
    sender.onload = () => {
      signal.removeEventListener('abort', abort);
      const { status, responseText } = sender;
      const ok = status >= 200 && status < 300;
      const get = (name: string) => sender.getResponseHeader(name);
      resolve({ ok, status, headers: { get }, text: () => Promise.resolve(responseText) });
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) sender.onabort();
    else sender.send(body);
  });
}

/** Told as they are taken from it. */
function countingStream(body: Photo, onSent: OnSent): ReadableStream<Uint8Array> {
  const CHUNK_BYTES = 64 * 1024;
  let at = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        onSent(at);
        if (at >= lengthOf(body)) return controller.close();
        const end = at + CHUNK_BYTES;
        const chunk =
          body instanceof Uint8Array ? body.subarray(at, end) : new Uint8Array(await body.slice(at, end).arrayBuffer());
        at += chunk.byteLength;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Read to its end, so that a connection which breaks on the way is noticed while the call can be repeated. */
export async function readText(response: Response): Promise<Answer> {
  const { ok, status, headers } = response;
  const text = await response.text();
  return { ok, status, headers, text: () => Promise.resolve(text) };
}

/** A call of the API, or a file that was sent, is never answered with a page. */
export const isPage = ({ headers }: Answer) => /^text\/html/i.test(headers.get('Content-Type') ?? '');

export function foreign(): Error {
  return faultError('foreign', 'The answer is not of the service: something on the way has answered instead.');
}

/** A file that has changed since it was chosen cannot be sent, and the runtime calls that a lost connection. */
async function isReadable(photo: Photo): Promise<boolean> {
  if (photo instanceof Uint8Array || !photo.arrayBuffer) return true;
  return photo
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}
