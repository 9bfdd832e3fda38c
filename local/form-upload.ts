import { AppError } from '../shared/error.ts';

const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 8 * 1024;

export interface FormUpload {
  fields: Record<string, string>;
  /** The file, which must have exactly so many bytes and be the last field. Fails with `malformed` when it is not. */
  file(bytes: number): ReadableStream<Uint8Array>;
}

/**
 * Reads multipart/form-data (RFC 7578) up to the file and leaves the rest in the stream, so that no file is ever held in
 * memory. Throws `malformed`.
 */
export async function readFormUpload(
  body: ReadableStream<Uint8Array>,
  contentType: string | null,
): Promise<FormUpload> {
  const boundary = /^multipart\/form-data\s*;.*\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '');
  if (!boundary) throw malformed(`The Content-Type is ${contentType}; it must be multipart/form-data with a boundary.`);
  const delimiter = `--${boundary[1] ?? boundary[2]}`;
  const source = createSource(body);
  const fields: Record<string, string> = {};
  await source.until(delimiter, 0);
  for (let i = 0; i < MAX_FIELDS; i++) {
    // Nothing between: another part begins. `--`: the form ends.
    if ((await source.until('\r\n', 2)).length > 0) throw malformed('The form has no field `file`.');
    const name = nameOf((await source.until('\r\n\r\n', MAX_FIELD_BYTES)).toString());
    if (name === 'file') return { fields, file: (bytes) => fileOf(source, bytes, `\r\n${delimiter}--`) };
    fields[name] = (await source.until(`\r\n${delimiter}`, MAX_FIELD_BYTES)).toString();
  }
  throw malformed(`The form has more than ${MAX_FIELDS} fields.`);
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
    if (!between) throw malformed(`The file has not the ${bytes} bytes that were announced, or is not the last field.`);
  }
  return ReadableStream.from(read());
}

type Source = ReturnType<typeof createSource>;

/** A stream that is read by what comes in it. */
function createSource(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  let buffer: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const { done, value } = await reader.read();
    if (!done) buffer = Buffer.concat([buffer, value]);
    return !done;
  }
  return {
    /** What comes before `text`, which is skipped; at most `maxBytes`. Throws `malformed`. */
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
      throw malformed('The form is cut off, or a field in it is too long.');
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
