import { createRoute, z } from '@hono/zod-openapi';
import type { Api } from './dependencies.ts';
import { json } from './openapi.ts';
import type { OriginOf } from './origin.ts';

const welcomeSchema = z.object({ name: z.string(), links: z.record(z.string(), z.url()) }).meta({ id: 'Welcome' });

export function addWelcome(api: Api, originOf: OriginOf): void {
  const route = createRoute({
    method: 'get',
    path: '/',
    tags: ['service'],
    operationId: 'getWelcome',
    summary: 'Where to go from here',
    responses: {
      200: {
        description: 'Links.',
        content: json(welcomeSchema),
      },
    },
  });
  api.openapi(route, (c) => {
    const origin = originOf(c);
    const links = {
      documentation: `${origin}/openapi.json`,
      models: `${origin}/v1/models`,
      health: `${origin}/healthz`,
    };
    // RFC 8631
    return c.json({ name: 'SeeSR Cloud', links }, 200, {
      Link: `<${links.documentation}>; rel="service-desc"`,
      Vary: 'Accept',
    });
  });
}
