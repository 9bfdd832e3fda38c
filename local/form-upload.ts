import { AppError } from '../shared/error.ts';

/** Of all fields before the file, as S3 has it. */
const MAX_FIELDS_BYTES = 20 * 1024;

export interface FormUpload {
  fields: Record<string, string>;
  /** The file, which must have exactly so many bytes and be the last field. Fails with `malformed` when it is not. */
  file(bytes: number): ReadableStream<Uint8Array>;
}

/**
 * Reads multipart/form-data (RFC 7578) up to the file and leaves the rest in the stream, so that no file is ever held in
 * memory. Throws `malformed`, and `precondition-failed` for another kind of body.
 */
export async function readFormUpload(
  body: ReadableStream<Uint8Array>,
  contentType: string | null,
): Promise<FormUpload> {
  const boundary = /^multipart\/form-data\s*;.*\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '');
  if (!boundary) {
    const rule = 'it must be multipart/form-data with a boundary';
    throw new AppError('precondition-failed', `The Content-Type is ${contentType}; ${rule}.`);
  }
  const delimiter = `--${boundary[1] ?? boundary[2]}`;
  const source = createSource(body);
  const fields: Record<string, string> = {};
  await source.until(delimiter, 0);
  for (let left = MAX_FIELDS_BYTES; ; ) {
    if (await source.ends()) throw malformed('The form has no field `file`.');
    await source.until('\r\n', 0);
    const headers = await source.until('\r\n\r\n', left);
    const name = nameOf(headers.toString());
    if (name === 'file') return { fields, file: (bytes) => fileOf(source, bytes, `\r\n${delimiter}`) };
    const value = await source.until(`\r\n${delimiter}`, Math.max(0, left - headers.length));
    fields[name] = value.toString();
    left -= headers.length + value.length + delimiter.length;
  }
}

function nameOf(headers: string): string {
  const name = /^content-disposition:\s*form-data\s*;.*\bname="([^"]*)"/im.exec(headers)?.[1];
  if (name === undefined) throw malformed('A field of the form has no name.');
  return name;
}

function fileOf(source: Source, bytes: number, end: string): ReadableStream<Uint8Array> {
  async function* read() {
    for (let left = bytes; left > 0; ) {
      const chunk = await source.some(left);
      if (chunk.length === 0) throw malformed(`The file has ${bytes - left} bytes; ${bytes} were announced.`);
      left -= chunk.length;
      yield new Uint8Array(chunk);
    }
    const between = await source.until(end, 0).catch(() => undefined);
    if (!between) throw malformed(`The file has more than the ${bytes} bytes that were announced.`);
    if (!(await source.ends())) throw new AppError('signature-invalid', 'A field behind the file was not signed.');
  }
  return ReadableStream.from(read());
}

type Source = ReturnType<typeof createSource>;

/** A stream that is read up to given texts in it. */
function createSource(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  let buffer: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const { done, value } = await reader.read();
    if (!done) buffer = Buffer.concat([buffer, value]);
    return !done;
  }
  return {
    /** The bytes before `text`, which is skipped; at most `maxBytes`. Throws `malformed`. */
    async until(text: string, maxBytes: number): Promise<Buffer> {
      for (;;) {
        const index = buffer.indexOf(text);
        if (index > maxBytes || (index < 0 && buffer.length > maxBytes + text.length)) break;
        if (index >= 0) {
          const found = buffer.subarray(0, index);
          buffer = buffer.subarray(index + text.length);
          return found;
        }
        if (!(await more())) break;
      }
      throw malformed(`The form is cut off, or its fields have more than ${MAX_FIELDS_BYTES} bytes.`);
    },
    /** Whether the form ends here, behind a delimiter, and no other part begins. */
    async ends(): Promise<boolean> {
      while (buffer.length < 2 && (await more()));
      return buffer.subarray(0, 2).toString() === '--';
    },
    /** The next bytes, at most so many; none at the end. */
    async some(maxBytes: number): Promise<Buffer> {
      while (buffer.length === 0 && (await more()));
      const chunk = buffer.subarray(0, maxBytes);
      buffer = buffer.subarray(chunk.length);
      return chunk;
    },
  };
}

function malformed(message: string): AppError {
  return new AppError('malformed', message);
}
