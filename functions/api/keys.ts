import { createRoute } from '@hono/zod-openapi';
import { createKeySchema, keyListSchema, newKeySchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { type ApiKey, createApiKey } from '../../shared/keys.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import { pathId } from './path-id.ts';

/** Keys of the caller's account. The secret is in the answer to its creation and nowhere else. */
export function addKeys(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  addCreateKey(api, deps, requireScope);
  addListKeys(api, deps, requireScope);
  addRevokeKey(api, deps, requireScope);
}

function addCreateKey(api: Api, { state, now }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'post',
    path: '/v1/keys',
    tags: ['keys'],
    summary: 'Create a key',
    security,
    middleware: [requireScope('keys:manage'), limitJsonBody] as const,
    request: {
      body: {
        required: true,
        content: json(createKeySchema, { name: 'phone app', scopes: ['uploads:write', 'jobs:write', 'jobs:read'] }),
      },
    },
    responses: {
      201: { description: '`key` is shown this once.', content: json(newKeySchema) },
      ...problems(400, 401, 403, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const asked = c.req.valid('json');
    const creator = c.get('apiKey');
    const scopes = asked.scopes ?? creator.scopes;
    const excess = scopes.filter((scope) => !creator.scopes.includes(scope));
    if (excess.length > 0) {
      throw new AppError(
        'forbidden',
        `A key can pass on only scopes that it has; ${creator.id} lacks ${excess.join(', ')}.`,
      );
    }
    if (asked.expires_at && Date.parse(asked.expires_at) <= now()) {
      throw new AppError('invalid', `expires_at is ${asked.expires_at}, which is over.`, {
        errors: [{ pointer: '#/expires_at', message: 'is in the past' }],
      });
    }
    const expires_at = asked.expires_at ?? creator.expires_at;
    if (creator.expires_at && expires_at && Date.parse(expires_at) > Date.parse(creator.expires_at)) {
      throw new AppError('forbidden', `A key cannot outlive the one that creates it: ${creator.expires_at}.`);
    }
    const given = { name: asked.name, account: creator.account, scopes, expires_at };
    const { key, secret, hash } = await createApiKey({ ...given, now: now() });
    await state.createKey(key, hash);
    return c.json({ ...shown(key), key: secret }, 201, { 'Cache-Control': 'no-store' });
  });
}

function addListKeys(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/keys',
    tags: ['keys'],
    summary: 'List the keys, oldest first, revoked ones too',
    security,
    middleware: [requireScope('keys:manage')] as const,
    responses: { 200: { description: 'Without secrets.', content: json(keyListSchema) }, ...problems(400, 401, 403) },
  });
  api.openapi(route, async (c) => {
    const keys = await state.listKeys(c.get('apiKey').account);
    return c.json({ data: keys.map(shown) }, 200);
  });
}

function addRevokeKey(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'delete',
    path: '/v1/keys/{id}',
    tags: ['keys'],
    summary: 'Revoke a key, at once',
    security,
    middleware: [requireScope('keys:manage')] as const,
    request: { params: pathId('key') },
    responses: { 204: { description: 'Revoked, now or earlier.' }, ...problems(400, 401, 403, 404) },
  });
  api.openapi(route, async (c) => {
    const { id } = c.req.valid('param');
    const revoked = await state.revokeKey(c.get('apiKey').account, id);
    if (!revoked) throw new AppError('not-found', `There is no key ${id}.`);
    return c.body(null, 204);
  });
}

function shown({ account: _account, ...key }: ApiKey): Omit<ApiKey, 'account'> {
  return key;
}
