import { createRoute, type z } from '@hono/zod-openapi';
import type { Endpoint, EndpointChange } from '../../shared/endpoint.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import { NO_OUTBOUND } from '../../shared/outbound.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { StateStore } from '../../shared/ports.ts';
import { createWebhookSecret } from '../../shared/webhook.ts';
import {
  createEndpointSchema,
  deliveryViewSchema,
  endpointListSchema,
  endpointSecretsSchema,
  endpointViewSchema,
  newEndpointSchema,
  rotateEndpointSchema,
} from '../../shared/webhook-api.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJsonBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { answerOnce, idempotencyHeaders, requestOfAsker } from './idempotency.ts';
import { json, problems, security } from './openapi.ts';
import { pathId } from './path-id.ts';
import { headers } from './response-headers.ts';
import { viewDelivery } from './webhook-deliveries.ts';

const PATH = '/v1/webhook_endpoints';
const ONE = `${PATH}/{id}`;
const tags = ['webhooks'];
const params = pathId('whe');

/** Receivers of webhooks. Their secrets can be asked for again: the signer must keep them anyway. */
export function addWebhookEndpoints(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  addCreateEndpoint(api, deps, requireScope);
  addReadEndpoints(api, deps, requireScope);
  addEndpointSecret(api, deps, requireScope);
  addChangeEndpoint(api, deps, requireScope);
  addPing(api, deps, requireScope);
}

function addCreateEndpoint(api: Api, { state, now, outbound }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'post',
    path: PATH,
    tags,
    operationId: 'createWebhookEndpoint',
    summary: 'Register a receiver',
    description: 'Messages are signed as Standard Webhooks 1.0.0 says, and tried ten times within three days.',
    security,
    middleware: [requireScope('webhooks:manage'), limitJsonBody] as const,
    request: {
      headers: idempotencyHeaders,
      body: { required: true, content: json(createEndpointSchema, { url: 'https://example.com/webhooks/seesr' }) },
    },
    responses: {
      201: {
        description: 'With its secret.',
        headers: headers('Idempotent-Replayed'),
        content: json(newEndpointSchema),
      },
      ...problems(400, 401, 403, 409, 410, 412, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const body = c.req.valid('json');
    const { account } = c.get('apiKey');
    const make = async () => {
      if (body.url !== undefined) (outbound ?? NO_OUTBOUND).check(body.url);
      const endpoint = newEndpoint(account, body, now());
      const secret = endpoint.secrets[0]!.secret;
      return { answer: { ...shown(endpoint), secret }, store: state.createEndpoint.bind(state, endpoint) };
    };
    /** As it is now: its secret may have changed. */
    const renew = async ({ id }: z.output<typeof newEndpointSchema>) => {
      const endpoint = await state.getEndpoint(account, id);
      if (endpoint) return { ...shown(endpoint), secret: endpoint.secrets[0]!.secret };
      throw new AppError('gone', `Endpoint ${id} was deleted; register it with another Idempotency-Key.`);
    };
    return answerOnce(c, { state, body, status: 201 }, { make, renew });
  });
}

function newEndpoint(account: string, asked: z.output<typeof createEndpointSchema>, now: number): Endpoint {
  const { url, description, events } = asked;
  return {
    id: createId('whe', now),
    account,
    ...(url !== undefined && { url: new URL(url).href }),
    ...(description !== undefined && { description }),
    events: [...new Set(events)],
    secrets: [{ secret: createWebhookSecret() }],
    created_at: new Date(now).toISOString(),
  };
}

/** The endpoint that signs messages to the own URLs of jobs; made when it is first needed. */
export async function signerOf(state: StateStore, account: string, now: number): Promise<Endpoint> {
  const find = async () => (await state.listEndpoints(account)).find(({ url }) => url === undefined);
  const known = await find();
  if (known) return known;
  const signer = newEndpoint(account, { events: [] }, now);
  try {
    await state.createEndpoint(signer);
    return signer;
  } catch (error) {
    const winner = await find(); // of another request at the same time
    if (winner) return winner;
    throw error;
  }
}

function addReadEndpoints(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const list = createRoute({
    method: 'get',
    path: PATH,
    tags,
    operationId: 'listWebhookEndpoints',
    summary: 'List the receivers, oldest first',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    responses: {
      200: { description: 'Without secrets.', content: json(endpointListSchema) },
      ...problems(400, 401, 403),
    },
  });
  api.openapi(list, async (c) => {
    const endpoints = await state.listEndpoints(c.get('apiKey').account);
    return c.json({ data: endpoints.map(shown) }, 200);
  });

  const get = createRoute({
    method: 'get',
    path: ONE,
    tags,
    operationId: 'getWebhookEndpoint',
    summary: 'One receiver, and whether it is disabled',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { params },
    responses: {
      200: { description: 'Without its secrets.', content: json(endpointViewSchema) },
      ...problems(400, 401, 403, 404),
    },
  });
  api.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    return c.json(shown(known(await state.getEndpoint(c.get('apiKey').account, id), id)), 200);
  });

  const remove = createRoute({
    method: 'delete',
    path: ONE,
    tags,
    operationId: 'deleteWebhookEndpoint',
    summary: 'Remove a receiver with its log',
    description: 'Undelivered messages are dropped.',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { params },
    responses: { 204: { description: 'Removed.' }, ...problems(400, 401, 403, 404) },
  });
  api.openapi(remove, async (c) => {
    const { id } = c.req.valid('param');
    if (!(await state.deleteEndpoint(c.get('apiKey').account, id))) known(null, id);
    return c.body(null, 204);
  });
}

function addEndpointSecret(api: Api, { state, now }: Dependencies, requireScope: RequireScope): void {
  const get = createRoute({
    method: 'get',
    path: `${ONE}/secret`,
    tags,
    operationId: 'getWebhookEndpointSecrets',
    summary: 'Get the secrets that sign the messages',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { params },
    responses: {
      200: { description: 'The secrets.', content: json(endpointSecretsSchema) },
      ...problems(400, 401, 403, 404),
    },
  });
  api.openapi(get, async (c) => {
    const { id } = c.req.valid('param');
    const { secrets } = known(await state.getEndpoint(c.get('apiKey').account, id), id);
    return c.json({ secrets: current(secrets, now()) }, 200, { 'Cache-Control': 'no-store' });
  });

  const rotate = createRoute({
    method: 'post',
    path: `${ONE}/rotate_secret`,
    tags,
    operationId: 'rotateWebhookEndpointSecret',
    summary: 'Sign with a new secret',
    description:
      'Until the overlap is over every message carries two signatures. A repeat with the same `Idempotency-Key` changes nothing.',
    security,
    middleware: [requireScope('webhooks:manage'), limitJsonBody] as const,
    request: {
      params,
      headers: idempotencyHeaders,
      body: { required: true, content: json(rotateEndpointSchema, { overlap_seconds: 86_400 }) },
    },
    responses: {
      200: {
        description: 'The secrets.',
        headers: headers('Idempotent-Replayed'),
        content: json(endpointSecretsSchema),
      },
      ...problems(400, 401, 403, 404, 409, 413, 415, 422),
    },
  });
  api.openapi(rotate, async (c) => {
    const { id } = c.req.valid('param');
    const { account } = c.get('apiKey');
    const body = c.req.valid('json');
    const change: EndpointChange = {
      type: 'rotate',
      secret: createWebhookSecret(),
      overlapSeconds: body.overlap_seconds,
    };
    const header = c.req.valid('header')['idempotency-key'];
    const request = header === undefined ? undefined : await requestOfAsker(c, header, body);
    if (request && (await state.findIdempotent(account, request))) c.header('Idempotent-Replayed', 'true');
    // That it was done is all that is kept: its secrets can be asked for at any time.
    const once = request && { ...request, response: { status: 200, headers: {}, body: '' } };
    const { secrets } = known(await state.updateEndpoint(account, id, change, once), id);
    return c.json({ secrets: current(secrets, now()) }, 200, { 'Cache-Control': 'no-store' });
  });
}

function addChangeEndpoint(api: Api, { state }: Dependencies, requireScope: RequireScope): void {
  const changes: Record<'enable' | 'disable', [summary: string, EndpointChange]> = {
    enable: ['Send to it again', { type: 'enable' }],
    disable: ['Send nothing to it', { type: 'disable', reason: 'Asked for.' }],
  };
  for (const [verb, [summary, change]] of Object.entries(changes)) {
    const route = createRoute({
      method: 'post',
      path: `${ONE}/${verb}`,
      tags,
      operationId: `${verb}WebhookEndpoint`,
      summary,
      security,
      middleware: [requireScope('webhooks:manage')] as const,
      request: { params },
      responses: {
        200: { description: 'The receiver.', content: json(endpointViewSchema) },
        ...problems(400, 401, 403, 404),
      },
    });
    api.openapi(route, async (c) => {
      const { id } = c.req.valid('param');
      return c.json(shown(known(await state.updateEndpoint(c.get('apiKey').account, id, change), id)), 200);
    });
  }
}

function addPing(api: Api, { state, now }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'post',
    path: `${ONE}/ping`,
    tags,
    operationId: 'pingWebhookEndpoint',
    summary: 'Send it a webhook.ping',
    security,
    middleware: [requireScope('webhooks:manage')] as const,
    request: { params },
    responses: {
      202: { description: 'The log tells the outcome.', content: json(deliveryViewSchema) },
      ...problems(400, 401, 403, 404, 409),
    },
  });
  api.openapi(route, async (c) => {
    const { account, test } = c.get('apiKey');
    const { id } = c.req.valid('param');
    const endpoint = known(await state.getEndpoint(account, id), id);
    if (endpoint.url === undefined) throw new AppError('conflict', `Endpoint ${id} has no URL.`);
    if (endpoint.disabled_at) throw new AppError('conflict', `Endpoint ${id} is disabled: ${endpoint.disabled_reason}`);
    const type = 'webhook.ping';
    const body = JSON.stringify({ type, timestamp: new Date(now()).toISOString(), data: { endpoint_id: id } });
    const delivery = webhookDelivery({ account, test, endpoint_id: id, type, body }, now());
    await state.createDelivery(delivery);
    return c.json(viewDelivery(delivery), 202);
  });
}

function known(endpoint: Endpoint | null, id: string): Endpoint {
  if (endpoint) return endpoint;
  throw new AppError('not-found', `There is no webhook endpoint ${id}.`);
}

function shown({ account: _account, secrets: _secrets, ...endpoint }: Endpoint): z.output<typeof endpointViewSchema> {
  return endpoint;
}

function current(secrets: Endpoint['secrets'], now: number): Endpoint['secrets'] {
  return secrets.filter(({ expires_at }) => expires_at === undefined || Date.parse(expires_at) > now);
}
