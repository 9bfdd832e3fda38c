import { createRoute } from '@hono/zod-openapi';
import { modelListSchema } from '../../shared/api.ts';
import { defaultModel, MODEL_IDS, MODELS } from '../../shared/models.ts';
import { rateOf } from '../../shared/pricing.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json } from './openapi.ts';

export function addModels(api: Api, { installedModels, limits, prices }: Dependencies): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/models',
    tags: ['models'],
    summary: 'What can be asked for: models, their parameters and price, and the limits of this service',
    responses: { 200: { description: 'Every model that is known, installed or not.', content: json(modelListSchema) } },
  });
  const best = installedModels.length > 0 ? defaultModel(installedModels) : undefined;
  const data = MODEL_IDS.map((id) => {
    const { defaults, ...about } = MODELS[id];
    const installed = installedModels.includes(id);
    return { id, ...about, parameters: defaults, installed, default: id === best, price: rateOf(id, prices) };
  });
  api.openapi(route, (c) => c.json({ data, limits }, 200));
}
