import { createRoute } from '@hono/zod-openapi';
import { createUploadSchema, uploadSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import { ownerOf } from '../../shared/keys.ts';
import { UPLOAD_URL_SECONDS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { createOnce, idempotencyHeaders } from './idempotency.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';

export function addUploads(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state, objects, limits, now, room } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/uploads',
    tags: ['uploads'],
    summary: 'Announce a file and get a signed request to send it with',
    security,
    middleware: [requireScope('uploads:write'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders,
      body: { required: true, content: json(createUploadSchema, { bytes: 482_133, content_type: 'image/jpeg' }) },
    },
    responses: {
      201: { description: 'Send the file as told here, before `expires_at`.', content: json(uploadSchema) },
      ...problems(400, 401, 403, 413, 415, 422),
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
    return createOnce(c, state, body, async () => {
      await room?.check(bytes);
      const owner = ownerOf(c.get('apiKey'));
      const created = now();
      const expiresAt = created + UPLOAD_URL_SECONDS * 1000;
      const id = createId('upl', created);
      const key = `in/${owner.account}/${id}`;
      const sign = method === 'POST' ? objects.signForm : objects.signUpload;
      const signed = await sign({ key, contentType: content_type, bytes, expiresAt });
      const expires_at = new Date(expiresAt).toISOString();
      const upload = {
        id,
        ...owner,
        key,
        content_type,
        bytes,
        created_at: new Date(created).toISOString(),
        expires_at,
      };
      const url = new URL(signed.url, originOf(c)).href;
      return {
        answer: { id, headers: {}, ...signed, url, expires_at, max_bytes: limits.max_upload_bytes },
        store: (idempotency) => state.createUpload(upload, idempotency),
      };
    });
  });
}
