import { createRoute } from '@hono/zod-openapi';
import { balanceSchema, usageQuerySchema, usageSchema } from '../../shared/api.ts';
import { AppError } from '../../shared/error.ts';
import { USAGE_DAYS } from '../../shared/limits.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';

const DAY_MILLISECONDS = 86_400_000;

export function addBalance(api: Api, { state, prices }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/balance',
    tags: ['money'],
    operationId: 'getBalance',
    summary: 'What is left on the account?',
    security,
    middleware: [requireScope('usage:read')] as const,
    responses: {
      200: { description: 'Without the credit reserved for jobs.', content: json(balanceSchema) },
      ...problems(400, 401, 403, 429),
    },
  });
  api.openapi(route, async (c) => {
    const balance = await state.getBalance(c.get('apiKey').account);
    return c.json({ balance, prices: prices.name }, 200, { 'Cache-Control': 'private, no-store' });
  });
}

export function addUsage(api: Api, { state, now }: Dependencies, requireScope: RequireScope): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/usage',
    tags: ['money'],
    operationId: 'getUsage',
    summary: 'How much was asked for and charged, by day and model?',
    security,
    middleware: [requireScope('usage:read')] as const,
    request: { query: usageQuerySchema },
    responses: {
      200: { description: 'Days and models without jobs are left out.', content: json(usageSchema) },
      ...problems(400, 401, 403, 422, 429),
    },
  });
  api.openapi(route, async (c) => {
    const { account, test = false } = c.get('apiKey');
    const query = c.req.valid('query');
    const to = query.to ?? dayOf(now());
    const from = query.from ?? dayOf(Date.parse(to) - 29 * DAY_MILLISECONDS);
    const days = (Date.parse(to) - Date.parse(from)) / DAY_MILLISECONDS + 1;
    if (days > USAGE_DAYS || days < 1) {
      throw new AppError('invalid', `From ${from} to ${to} are ${days} days; 1 to ${USAGE_DAYS} can be asked for.`);
    }
    const data = await state.getUsage({ account, test, from, to });
    return c.json({ from, to, data }, 200, { 'Cache-Control': 'private, no-store' });
  });
}

function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
