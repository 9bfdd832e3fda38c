import { createRoute } from '@hono/zod-openapi';
import { createClientTokenSchema, newClientTokenSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import { type ClientToken, clientScopeSchema, createSecret } from '../../shared/keys.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { answerOnce, idempotencyHeaders } from './idempotency.ts';
import { json, problems, security } from './openapi.ts';
import { headers } from './response-headers.ts';

/** Your server asks with its key and hands the token to a phone or a browser, which then talks to this API itself. */
export function addClientTokens(api: Api, { state, now }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'post',
    path: '/v1/client_tokens',
    tags: ['keys'],
    operationId: 'createClientToken',
    summary: 'Create a short-lived token for the phone or browser of one end user',
    description:
      'Its jobs count against the caps of the key. It sees only things of the same `end_user`, must send an `Idempotency-Key` with `POST /v1/jobs` and `POST /v1/batches` (not with `POST /v1/tags`), and ends with its key. A repeat gets the same token while it is valid, then a new one.',
    security,
    middleware: [requireScope('tokens:create'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders,
      body: {
        required: true,
        content: json(createClientTokenSchema, { end_user: 'user-4711', ttl_seconds: 600, max_jobs: 5 }),
      },
    },
    responses: {
      201: {
        description: '`token` is shown this once.',
        headers: headers('Idempotent-Replayed'),
        content: json(newClientTokenSchema),
      },
      ...problems(400, 401, 403, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const body = c.req.valid('json');
    const key = c.get('apiKey');
    const make = async () => {
      const created = now();
      const keepUntil = created + body.ttl_seconds * 1000;
      const { scopes, ttl_seconds: _ttl, ...given } = body;
      const token: ClientToken = {
        id: createId('tok', created),
        key_id: key.id,
        account: key.account,
        ...(key.test && { test: key.test }),
        ...given,
        scopes: scopes ?? clientScopeSchema.options.filter((scope) => key.scopes.includes(scope)),
        created_at: new Date(created).toISOString(),
        expires_at: new Date(keepUntil).toISOString(),
      };
      const excess = token.scopes.filter((scope) => !key.scopes.includes(scope));
      if (excess.length > 0) throw new AppError('forbidden', `The key ${key.id} lacks ${excess.join(', ')} itself.`);
      const { secret, hash } = await createSecret('client');
      const { account: _account, ...shown } = token;
      const store = state.createClientToken.bind(state, token, hash);
      return { answer: { ...shown, token: secret }, store, keepUntil };
    };
    return answerOnce(c, { state, body, status: 201 }, { make });
  });
}
