import { createRoute } from '@hono/zod-openapi';
import { modelListSchema } from '../../shared/api.ts';
import { forbidsCommercialUse } from '../../shared/commercial-use.ts';
import { defaultModel, methodOf, OWN_MODELS } from '../../shared/methods/registry.ts';
import { isSold, listedPrice } from '../../shared/pricing.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json } from './openapi.ts';

export function addModels(api: Api, { installedModels, limits, prices, devices }: Dependencies): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/models',
    tags: ['models'],
    operationId: 'listModels',
    summary: 'Models, their parameters and price, and the limits of this service',
    responses: {
      200: { description: 'Every model that is sold here, installed or not.', content: json(modelListSchema) },
    },
  });
  const sold = installedModels.filter((model) => isSold(model, prices));
  const best = sold.length > 0 ? defaultModel(sold) : undefined;
  const added = installedModels.filter(({ model_facts: facts }) => facts !== undefined);
  const data = [...OWN_MODELS, ...added].flatMap((of) => {
    const { model: id } = of;
    const price = listedPrice(of, prices);
    if (!price) return [];
    const { id: method, name, description, license, defaults: parameters, scale } = methodOf(of);
    const installed = installedModels.some(({ model }) => model === id);
    return [
      {
        id,
        method,
        name,
        description,
        license,
        ...(forbidsCommercialUse(license) && { commercial_use: false }),
        scale,
        parameters,
        installed,
        default: id === best,
        price,
      },
    ];
  });
  api.openapi(route, (c) => c.json({ data, limits, ...(devices && { devices: [...devices] }) }, 200));
}
