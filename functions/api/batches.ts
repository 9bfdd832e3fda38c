import { createRoute, type z } from '@hono/zod-openapi';
import { createJobSchema } from '../../shared/api.ts';
import type { Batch } from '../../shared/batch.ts';
import { batchViewSchema, createBatchSchema } from '../../shared/batch-api.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Job } from '../../shared/job.ts';
import { type Caller, ownerOf } from '../../shared/keys.ts';
import type { RequireScope } from './authenticate.ts';
import { limitJobBody } from './body-limit.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { answerOnce, idempotencyHeaders } from './idempotency.ts';
import { type RequestInputs, withInputs } from './job-input.ts';
import { resolveWebhook } from './job-webhook.ts';
import { json, problems, security } from './openapi.ts';
import type { OriginOf } from './origin.ts';
import { getOwnBatch, jobsOfBatch } from './own-batch.ts';
import { pathId } from './path-id.ts';
import { headers } from './response-headers.ts';
import { prepareJob, start } from './submit-job.ts';
import { traceOf, traceparentSchema } from './trace.ts';

const PATH = '/v1/batches';

type CreateBatch = z.output<typeof createBatchSchema>;

/** Many photos in one request, told of in one webhook. */
export function addBatches(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  addCreateBatch(api, deps, requireScope, originOf);
  addGetBatch(api, deps, requireScope, originOf);
}

function addCreateBatch(api: Api, deps: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const { state } = deps;
  const route = createRoute({
    method: 'post',
    path: PATH,
    tags: ['jobs'],
    operationId: 'createBatch',
    summary: 'Ask for up to 100 photos at once',
    description:
      'All of them or none. Each becomes a job of its own; endpoints are told of the whole, by batch.completed, not of each job, unless `webhook.events` asks for that.',
    security,
    middleware: [requireScope('jobs:write'), limitJobBody] as const,
    request: {
      headers: idempotencyHeaders.extend({ traceparent: traceparentSchema }),
      body: {
        required: true,
        content: json(createBatchSchema, {
          items: [
            { input: { url: 'https://example.com/photos/1.jpg' }, client_reference: 'first' },
            { input: { url: 'https://example.com/photos/2.jpg' }, scale: 2 },
          ],
          parameters: { scale: 4, format: 'jpeg' },
        }),
      },
    },
    responses: {
      201: { description: 'Accepted.', headers: headers('Idempotent-Replayed'), content: json(batchViewSchema) },
      ...problems(400, 401, 402, 403, 404, 410, 413, 415, 422),
    },
  });
  api.openapi(route, async (c) => {
    const body = c.req.valid('json');
    const caller = c.get('apiKey');
    return withInputs(deps, (inputs) =>
      answerOnce(
        c,
        { state, body, status: 201 },
        {
          isSecret: false,
          make: async () => {
            const batch = await newBatch(deps, caller, body);
            const prepared: Awaited<ReturnType<typeof prepareJob>>[] = [];
            const trace = traceOf(c);
            for (const [index, item] of body.items.entries()) {
              const asked = { ...commonParameters(body.parameters, item), ...item };
              const { job, upload } = await prepareItem(deps, caller, asked, { index, batch, body, inputs });
              prepared.push({ job: { ...job, trace }, upload });
            }
            const jobs = prepared.map(({ job }) => job);
            return {
              answer: viewBatch(batch, jobs, originOf(c)),
              store: async (idempotency) => {
                const outcome = await state.createBatch(batch, jobs, idempotency);
                if (!outcome.created) return outcome;
                inputs.keep();
                for (const { job, upload } of prepared) await start(deps, job, upload);
                return outcome;
              },
            };
          },
        },
      ),
    );
  });
}

async function newBatch(deps: Dependencies, caller: Caller, { items, webhook }: CreateBatch): Promise<Batch> {
  return {
    id: createId('bat', deps.now()),
    ...ownerOf(caller),
    created_at: new Date(deps.now()).toISOString(),
    job_count: items.length,
    counts: { succeeded: 0, failed: 0, canceled: 0, expired: 0 },
    ...(webhook && { webhook: await resolveWebhook(deps, caller.account, webhook) }),
  };
}

type Asked = NonNullable<CreateBatch['parameters']>;

/** An item that says how large it shall be, in either way, goes over the common size. */
function commonParameters(common: Asked = {}, item: Asked): Asked {
  if (item.scale === undefined && item.target === undefined) return common;
  const { scale: _scale, target: _target, ...rest } = common;
  return rest;
}

/** As if it had been submitted alone. Its errors are told with its place in the batch. */
async function prepareItem(
  deps: Dependencies,
  caller: Caller,
  asked: object,
  { index, batch, body, inputs }: { index: number; batch: Batch; body: CreateBatch; inputs: RequestInputs },
) {
  try {
    const complete = createJobSchema.parse({ ...asked, retention_hours: body.retention_hours });
    const { job, upload } = await prepareJob(deps, caller, complete, { inputs });
    const own = { batch_id: batch.id, batch_index: index, ...(batch.webhook && { webhook: batch.webhook }) };
    return { job: { ...job, ...own }, upload };
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error; // no fault of the item
    const errors = (error.errors ?? [{ pointer: '#', message: error.message }]).map(({ pointer, ...rest }) => ({
      pointer: pointer.replace('#', `#/items/${index}`),
      ...rest,
    }));
    throw new AppError(error.code, `Item ${index}: ${error.message}`, { errors });
  }
}

function addGetBatch(api: Api, { state }: Dependencies, requireScope: RequireScope, originOf: OriginOf): void {
  const route = createRoute({
    method: 'get',
    path: `${PATH}/{id}`,
    tags: ['jobs'],
    operationId: 'getBatch',
    summary: 'How is the batch?',
    security,
    middleware: [requireScope('jobs:read')] as const,
    request: { params: pathId('bat') },
    responses: {
      200: { description: 'Its jobs in their order, without deleted ones.', content: json(batchViewSchema) },
      ...problems(400, 401, 403, 404),
    },
  });
  api.openapi(route, async (c) => {
    const batch = await getOwnBatch(state, c.get('apiKey'), c.req.valid('param').id);
    return c.json(viewBatch(batch, await jobsOfBatch(state, batch), originOf(c)), 200, {
      'Cache-Control': 'private, no-cache',
    });
  });
}

function viewBatch(batch: Batch, jobs: readonly Job[], origin: string): z.output<typeof batchViewSchema> {
  const { account: _account, end_user: _user, webhook: _webhook, ...shown } = batch;
  const view = ({ id, status, client_reference }: Job) => {
    const links = { self: `${origin}/v1/jobs/${id}` };
    return { id, status, ...(client_reference && { client_reference }), links };
  };
  return { ...shown, jobs: jobs.map(view), links: { self: `${origin}${PATH}/${batch.id}` } };
}
