import type { z } from '@hono/zod-openapi';
import { inspectUpload } from '../../shared/admission.ts';
import type { createJobSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import { readImageHeader } from '../../shared/image-format.ts';
import type { JobInput } from '../../shared/job.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import { UPLOAD_URL_SECONDS } from '../../shared/limits.ts';
import { NO_OUTBOUND } from '../../shared/outbound.ts';
import type { Upload } from '../../shared/ports.ts';
import type { Dependencies } from './dependencies.ts';
import { getOwnUpload } from './own-upload.ts';

type InputDependencies = Pick<Dependencies, 'state' | 'objects' | 'limits' | 'now' | 'outbound' | 'log'>;

interface FoundInput {
  upload: Upload;
  /** Absent: the file is not there yet. */
  input?: JobInput;
  /** Where the service is to fetch it from. */
  fetch_url?: string;
}

/** Uploads that are made for one request. */
export interface RequestInputs {
  made: Upload[];
  /** Something was created that needs them. */
  keep(): void;
}

/**
 * Runs `work`, and erases the inputs made for it where it creates nothing. Work that ends otherwise than with a refusal
 * may have created something all the same: the reaper erases inputs that nobody needs.
 */
export async function withInputs<Result>(
  deps: InputDependencies,
  work: (inputs: RequestInputs) => Promise<Result>,
): Promise<Result> {
  let made: Upload[] = [];
  const keep = () => {
    made = [];
  };
  try {
    const result = await work({ made, keep });
    await erase(deps, made);
    return result;
  } catch (error) {
    if (error instanceof AppError && error.status < 500) await erase(deps, made);
    throw error;
  }
}

async function erase({ state, objects, log }: InputDependencies, uploads: readonly Upload[]): Promise<void> {
  for (const { id, key } of uploads) {
    try {
      await objects.delete(key);
      await state.deleteUpload(id);
    } catch (error) {
      log.warn('input-left', { upload_id: id, error });
    }
  }
}

/**
 * The photo of a request: an upload, the bytes themselves, or a URL, which is fetched later. The last two become
 * uploads here. Throws `not-found`, `gone`, `url-refused`, `too-large` and the errors of `inspectUpload`.
 */
export async function resolveInput(
  deps: InputDependencies,
  caller: Caller,
  asked: z.output<typeof createJobSchema>['input'],
  inputs: RequestInputs,
): Promise<FoundInput> {
  const { state, objects, limits, now, outbound = NO_OUTBOUND } = deps;
  if (asked.base64 !== undefined) return storeInline(deps, caller, asked.base64, inputs);
  if (asked.url !== undefined) {
    outbound.check(asked.url);
    const upload = await newUpload(deps, caller, { content_type: 'application/octet-stream', bytes: 0 }, inputs);
    return { upload, fetch_url: new URL(asked.url).href };
  }
  const upload = await getOwnUpload(state, caller, asked.upload_id ?? '');
  const input = await inspectUpload(objects, upload, limits);
  if (input) return { upload, input };
  if (Date.parse(upload.expires_at) > now()) return { upload };
  throw new AppError('gone', `Nothing was sent for upload ${upload.id} until ${upload.expires_at}; create another.`);
}

async function storeInline(
  deps: InputDependencies,
  caller: Caller,
  base64: string,
  inputs: RequestInputs,
): Promise<FoundInput> {
  const file = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const { max_upload_bytes } = deps.limits;
  if (file.length > max_upload_bytes) {
    throw new AppError('too-large', `The file has ${file.length} bytes; max_upload_bytes is ${max_upload_bytes}.`);
  }
  const { width, height, format } = readImageHeader(file, deps.limits);
  const upload = await newUpload(deps, caller, { content_type: `image/${format}`, bytes: file.length }, inputs);
  await deps.objects.put(upload.key, new Blob([file]).stream(), { contentType: upload.content_type });
  return { upload, input: { width, height, bytes: file.length, format } };
}

async function newUpload(
  { state, now }: InputDependencies,
  caller: Caller,
  file: Pick<Upload, 'content_type' | 'bytes'>,
  { made }: RequestInputs,
): Promise<Upload> {
  const created = now();
  const id = createId('upl', created);
  const owner = ownerOf(caller);
  const created_at = new Date(created).toISOString();
  const expires_at = new Date(created + UPLOAD_URL_SECONDS * 1000).toISOString();
  const token = caller.client && { token_id: caller.client.id };
  const upload = { id, ...owner, ...token, key: `in/${owner.account}/${id}`, ...file, created_at, expires_at };
  await state.createUpload(upload);
  made.push(upload);
  return upload;
}
