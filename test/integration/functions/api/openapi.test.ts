import { beforeEach, expect, test } from 'vitest';
import { requestedParametersSchema } from '../../../../shared/parameters.ts';
import { bodyOf, serviceForEach } from '../../../support/service.ts';

interface Document {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}

interface Operation {
  summary: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; schema: unknown }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: unknown }> }>;
}

const METHODS = ['get', 'post', 'delete'];

const service = serviceForEach();
let document: Document;
beforeEach(async () => {
  document = await bodyOf<Document>(service.app.request('http://api.test/openapi.json'));
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

test('is OpenAPI 3.1 for the server that was asked', () => {
  expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  expect(document.info).toMatchObject({ title: 'SeeSR Cloud', version: '1' });
  expect(document.servers).toEqual([{ url: 'http://api.test' }]);
  expect(document.components.securitySchemes).toEqual({
    bearer: { type: 'http', scheme: 'bearer' },
    apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
  });
});

test('lists every route, and no other', () => {
  const routed = service.app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
  const listed = operations().map(({ method, path }) => `${method} ${path}`);
  expect(new Set(listed)).toEqual(new Set(routed));
  expect(listed).toEqual(
    expect.arrayContaining([
      'post /v1/uploads',
      'post /v1/jobs',
      'get /v1/jobs',
      'get /v1/jobs/{id}',
      'delete /v1/jobs/{id}',
      'post /v1/jobs/{id}/cancel',
      'get /v1/jobs/{id}/output',
      'get /v1/models',
      'post /v1/keys',
      'get /v1/keys',
      'delete /v1/keys/{id}',
      'get /healthz',
      'get /readyz',
    ]),
  );
});

test('every operation is well-formed', () => {
  for (const { path, method, operation } of operations()) {
    expect(METHODS).toContain(method);
    expect(operation.summary).toBeTruthy();
    expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
    for (const [status, response] of Object.entries(operation.responses)) {
      expect(status).toMatch(/^[2-5]\d\d$/);
      expect(response.description).toBeTruthy();
    }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(declared.map(({ name }) => name)).toEqual(inPath);
    expect(declared.every(({ required }) => required === true)).toBe(true);
  }
});

test('every route with a key says so, and what its problems look like', () => {
  const open = ['/', '/healthz', '/readyz', '/openapi.json', '/v1/models', '/v1/receipt_keys'];
  for (const { path, operation } of operations()) {
    if (open.includes(path)) {
      expect(operation.security).toBeUndefined();
      continue;
    }
    expect(operation.security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    for (const status of ['401', '403']) {
      expect(operation.responses[status]?.content).toHaveProperty(['application/problem+json']);
    }
  }
});

test('every $ref points to something', () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#([^"]+)"/g)].map((match) => match[1]!);
  expect(references.length).toBeGreaterThan(0);
  for (const reference of references) {
    const target = reference
      .split('/')
      .slice(1)
      .reduce<unknown>((node, name) => (node as Record<string, unknown>)[name], document);
    expect(target, reference).toBeDefined();
  }
});

test('a job body is documented with its limits', () => {
  const { schema } = document.paths['/v1/jobs']!.post!.requestBody!.content['application/json'] as {
    schema: { additionalProperties: boolean; properties: Record<string, unknown>; required: string[] };
  };
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.scale).toMatchObject({ type: 'number', minimum: 1, maximum: 4, default: 4 });
  expect(schema.required).toEqual(['input']);
});

test('where no field is required the body may be left out, and the document says so', async () => {
  const { requestBody } = document.paths['/v1/webhook_endpoints']!.post!;
  expect(requestBody!.required).toBe(false);
  expect((await service.call('POST', '/v1/webhook_endpoints')).status).toBe(201);
  expect(document.paths['/v1/uploads']!.post!.requestBody!.required).toBe(true);
  expect((await service.call('POST', '/v1/uploads')).status).toBe(422);
});

test('every setting says what the page calls it, and its options', () => {
  type Setting = { enum?: unknown[]; 'x-form'?: { title: string; options?: Record<string, string> } };
  const { schema } = document.paths['/v1/jobs']!.post!.requestBody!.content['application/json']!;
  const { properties } = schema as { properties: Record<string, Setting> };
  const settings = Object.keys(requestedParametersSchema.omit({ model: true, scale: true, target: true }).shape);
  for (const name of settings) {
    const { enum: values, 'x-form': words } = properties[name]!;
    expect(words?.title, name).toMatch(/^[A-Z][a-z ,]+$/);
    if (!words?.options) continue;
    const unknown = Object.keys(words.options).filter(
      (value) => value !== '' && values?.every((v) => `${v}` !== value),
    );
    expect(unknown, name).toEqual([]);
  }
  expect(properties.denoise!['x-form']).toEqual({
    title: 'Take noise away',
    about: '0 keeps the grain of the photo, 1 takes away as much as it can.',
  });
});
