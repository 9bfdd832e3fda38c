import { createRoute } from '@hono/zod-openapi';
import { ownKeySchema } from '../../shared/api.ts';
import { ownerOf } from '../../shared/keys.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';

/** For clients that keep things of a caller, such as browsers: only other keys of the same owner may see them. */
export function addOwnKey(api: Api, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/key',
    tags: ['keys'],
    operationId: 'getOwnKey',
    summary: 'Whose is the key or client token that asks?',
    security,
    middleware: [requireScope('jobs:read')] as const,
    responses: {
      200: { description: 'The same for two keys that see the same jobs.', content: json(ownKeySchema) },
      ...problems(401, 403),
    },
  });
  api.openapi(route, (c) => {
    const caller = c.get('apiKey');
    return c.json({ ...ownerOf(caller), scopes: caller.scopes }, 200);
  });
}
