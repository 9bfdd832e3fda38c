import { createRoute, type z } from '@hono/zod-openapi';
import { createUploadSchema, uploadSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import { ownerOf } from '../../shared/keys.ts';
import { UPLOAD_RETENTION_SECONDS, UPLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { answerOnce, idempotencyHeaders } from './idempotency.ts';
import { json, problems, security } from './openapi.ts';
import { absolute, type OriginOf } from './origin.ts';
import { headers } from './response-headers.ts';

/** A URL that ends sooner would be of no use. */
const MIN_URL_MILLISECONDS = 60_000;

export function addUploads(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, objects, limits, now, room } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/uploads',
    tags: ['uploads'],
    operationId: 'createUpload',
    summary: 'Announce a file and get a signed request to send it with',
    description:
      'A repeat with the same `Idempotency-Key` gets the same upload, with another signed request when the first runs out. Files of which no job has made a result are bounded for each account and client token (policy `uploads`).',
    security,
    middleware: [requireScope('uploads:write'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders,
      body: { required: true, content: json(createUploadSchema, { bytes: 482_133, content_type: 'image/jpeg' }) },
    },
    responses: {
      201: {
        description: 'Send the file as told here, before `expires_at`.',
        headers: headers('Idempotent-Replayed'),
        content: json(uploadSchema),
      },
      ...problems(400, 401, 403, 410, 413, 415, 422),
    },
  });

  api.openapi(route, async (c) => {
    const body = c.req.valid('json');
    const { bytes, content_type, method } = body;
    if (bytes > limits.max_upload_bytes) {
      throw new AppError('too-large', `The file has ${bytes} bytes; max_upload_bytes is ${limits.max_upload_bytes}.`, {
        errors: [{ pointer: '#/bytes', message: 'is too large', expected: `at most ${limits.max_upload_bytes}` }],
      });
    }
    /** A signed request that is valid from now on, for an upload that is not erased before. */
    const sign = async (key: string, expiresAt: number) => {
      const signing = method === 'POST' ? objects.signForm : objects.signUpload;
      const signed = await signing({ key, contentType: content_type, bytes, expiresAt });
      const origin = originOf(c);
      return {
        headers: {},
        ...signed,
        url: absolute(signed.url, origin),
        ...('resume_url' in signed && signed.resume_url && { resume_url: absolute(signed.resume_url, origin) }),
        expires_at: new Date(expiresAt).toISOString(),
      };
    };
    const make = async () => {
      await room?.check(bytes);
      const caller = c.get('apiKey');
      const owner = ownerOf(caller);
      const created = now();
      const id = createId('upl', created);
      const key = `in/${owner.account}/${id}`;
      const signed = await sign(key, created + UPLOAD_URL_SECONDS * 1000);
      const upload = {
        id,
        ...owner,
        ...(caller.client && { token_id: caller.client.id }),
        key,
        content_type,
        bytes,
        created_at: new Date(created).toISOString(),
        expires_at: signed.expires_at,
      };
      return {
        answer: { id, ...signed, max_bytes: limits.max_upload_bytes },
        store: (idempotency?: Idempotency) => state.createUpload(upload, idempotency),
      };
    };
    /** The same upload; with another signature when less than half of the time is left. */
    const renew = async (answer: z.output<typeof uploadSchema>) => {
      const upload = await state.getUpload(answer.id);
      const left = Date.parse(upload?.created_at ?? '') + UPLOAD_RETENTION_SECONDS * 1000 - now();
      if (!upload || left < MIN_URL_MILLISECONDS) {
        throw new AppError('gone', `Upload ${answer.id} was erased; announce the file with another Idempotency-Key.`);
      }
      const valid = UPLOAD_URL_SECONDS * 1000;
      if (Date.parse(answer.expires_at) - now() >= valid / 2) return answer;
      const signed = await sign(upload.key, now() + Math.min(valid, left));
      await state.updateUpload(upload.id, { expires_at: signed.expires_at });
      return { ...answer, ...signed };
    };
    return answerOnce(c, { state, body, status: 201 }, { make, renew });
  });
}
