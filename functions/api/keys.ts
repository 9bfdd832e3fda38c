import { createRoute, type z } from '@hono/zod-openapi';
import { createKeySchema, keyListSchema, newKeySchema, rotateKeySchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import {
  type ApiKey,
  type Caller,
  createApiKey,
  createSecret,
  defaultScopes,
  hashApiKey,
  type Scope,
} from '../../shared/keys.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { answerOnce, idempotencyHeaders } from './idempotency.ts';
import { json, problems, security } from './openapi.ts';
import { pathId } from './path-id.ts';
import { headers } from './response-headers.ts';

/** Keys of the caller's account. The secret is in the answer to its creation and nowhere else. */
export function addKeys(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  addCreateKey(api, deps, requireScope);
  addListKeys(api, deps, requireScope);
  addRotateKey(api, deps, requireScope);
  addRevokeKey(api, deps, requireScope);
}

function addCreateKey(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/keys',
    tags: ['keys'],
    operationId: 'createKey',
    summary: 'Create a key',
    description:
      'A key can pass on only its own rights. Keys of test mode (`sr_test_`) cost nothing and run no network.',
    security,
    middleware: [requireScope('keys:manage'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders,
      body: {
        required: true,
        content: json(createKeySchema, { name: 'phone app', scopes: ['uploads:write', 'jobs:write', 'jobs:read'] }),
      },
    },
    responses: {
      201: {
        description: '`key` is shown this once.',
        headers: headers('Idempotent-Replayed'),
        content: json(newKeySchema),
      },
      ...problems(400, 401, 403, 410, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const body = c.req.valid('json');
    const creator = c.get('apiKey');
    const make = async () => {
      const given = derive(body, creator, now());
      const { key, secret, hash } = await createApiKey({ ...given, account: creator.account, now: now() });
      const store = state.createKey.bind(state, key, hash);
      return { answer: { ...shown(key), key: secret }, store };
    };
    return answerOnce(c, { state, body, status: 201 }, { make, renew: stillValid(deps) });
  });
}

/** The answer to a repeat that asks for a secret. Throws `gone` where that is valid no longer. */
function stillValid({ state, now }: Dependencies) {
  return async <Answer extends { id: string; key: string }>(answer: Answer): Promise<Answer> => {
    const key = await state.findKey(await hashApiKey(answer.key));
    const isOver = !key || key.revoked_at || (key.expires_at && Date.parse(key.expires_at) <= now());
    if (!isOver) return answer;
    throw new AppError('gone', `The secret that this Idempotency-Key got for ${answer.id} is valid no longer.`);
  };
}

/** The fields of a key that `creator` makes. Throws `forbidden` and `invalid`. */
function derive(asked: z.output<typeof createKeySchema>, creator: Caller, now: number) {
  const { spend_cap, inflight_cap, allowed_origins } = asked;
  const scopes = asked.scopes ?? defaultScopes(creator.scopes, { ...asked, test: creator.test || asked.test });
  checkScopes(scopes, creator);
  if (creator.test && asked.test === false) throw new AppError('forbidden', `${creator.id} is a key of test mode.`);
  if (asked.expires_at && Date.parse(asked.expires_at) <= now) {
    throw new AppError('invalid', `expires_at is ${asked.expires_at}, which is over.`, {
      errors: [{ pointer: '#/expires_at', message: 'is in the past' }],
    });
  }
  const expires_at = asked.expires_at ?? creator.expires_at;
  checkExpiry(expires_at, creator);
  const test = creator.test || asked.test ? (true as const) : undefined;
  return { name: asked.name, scopes, test, spend_cap, inflight_cap, allowed_origins, expires_at };
}

function checkScopes(scopes: readonly Scope[], creator: Caller): void {
  const excess = scopes.filter((scope) => !creator.scopes.includes(scope));
  if (excess.length === 0) return;
  const rule = `A key can pass on only scopes that it has; ${creator.id} lacks ${excess.join(', ')}.`;
  throw new AppError('forbidden', rule);
}

function checkExpiry(expires_at: string | undefined, creator: Caller): void {
  if (!creator.expires_at) return;
  if (expires_at && Date.parse(expires_at) <= Date.parse(creator.expires_at)) return;
  throw new AppError('forbidden', `A key cannot outlive the one that creates it: ${creator.expires_at}.`);
}

function addListKeys(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/keys',
    tags: ['keys'],
    operationId: 'listKeys',
    summary: 'List the keys, oldest first, revoked ones too',
    security,
    middleware: [requireScope('keys:manage')] as const,
    responses: { 200: { description: 'Without secrets.', content: json(keyListSchema) }, ...problems(400, 401, 403) },
  });
  api.openapi(route, async (c) => {
    const keys = await manageableKeys(state, c.get('apiKey'));
    return c.json({ data: keys.map((key) => ({ ...shown(key), spent: key.spent })) }, 200);
  });
}

function addRotateKey(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { state, now } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/keys/{id}/rotate',
    tags: ['keys'],
    operationId: 'rotateKey',
    summary: 'Give a key a new secret',
    description:
      'The key keeps its id and its rights. Its secret until now is valid for `overlap_seconds` more, so that all that use it can change over; an earlier one no longer than that. A repeat with the same `Idempotency-Key` gets the same new secret; a key that rotates itself without overlap cannot repeat.',
    security,
    middleware: [requireScope('keys:manage'), limitJsonBody] as const,
    request: {
      params: pathId('key'),
      headers: idempotencyHeaders,
      body: { required: true, content: json(rotateKeySchema, { overlap_seconds: 3600 }) },
    },
    responses: {
      200: {
        description: '`key` is shown this once.',
        headers: headers('Idempotent-Replayed'),
        content: json(newKeySchema),
      },
      ...problems(400, 401, 403, 404, 409, 410, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const caller = c.get('apiKey');
    const body = c.req.valid('json');
    const make = async () => {
      const key = await getManageableKey(state, caller, c.req.valid('param').id);
      // The holder of the new secret can do all that the key can.
      checkScopes(key.scopes, caller);
      checkExpiry(key.expires_at, caller);
      const { secret, hash } = await createSecret(key.test ? 'test' : 'live');
      const changes = { last4: secret.slice(-4), rotated_at: new Date(now()).toISOString() };
      const rotation = { hash, ...changes, overlapSeconds: body.overlap_seconds };
      const store = async (idempotency?: Idempotency) => {
        const creation = await state.rotateKey(caller.account, key.id, rotation, idempotency);
        if (!creation) throw new AppError('not-found', `There is no key ${key.id}.`);
        return creation;
      };
      const { spent: _spent, ...known } = key;
      return { answer: { ...shown(known), ...changes, key: secret }, store };
    };
    return answerOnce(c, { state, body, status: 200 }, { make, renew: stillValid(deps) });
  });
}

function addRevokeKey(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'delete',
    path: '/v1/keys/{id}',
    tags: ['keys'],
    operationId: 'revokeKey',
    summary: 'Revoke a key, and with it its client tokens, at once',
    security,
    middleware: [requireScope('keys:manage')] as const,
    request: { params: pathId('key') },
    responses: { 204: { description: 'Revoked, now or earlier.' }, ...problems(400, 401, 403, 404) },
  });
  api.openapi(route, async (c) => {
    const { id, account } = await getManageableKey(state, c.get('apiKey'), c.req.valid('param').id);
    await state.revokeKey(account, id);
    return c.body(null, 204);
  });
}

/** A key of test mode sees only such. */
async function manageableKeys(state: StateStore, { account, test }: Caller): Promise<(ApiKey & { spent: number })[]> {
  return (await state.listKeys(account)).filter((key) => !test || key.test);
}

async function getManageableKey(state: StateStore, caller: Caller, id: string): Promise<ApiKey & { spent: number }> {
  const key = (await manageableKeys(state, caller)).find((each) => each.id === id);
  if (!key) throw new AppError('not-found', `There is no key ${id}.`);
  return key;
}

function shown({ account: _account, ...key }: ApiKey): Omit<ApiKey, 'account'> {
  return key;
}
