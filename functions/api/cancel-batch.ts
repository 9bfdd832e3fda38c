import { createRoute } from '@hono/zod-openapi';
import { canceledBatchSchema } from '../../shared/batch-api.ts';
import { eraseOutputs } from '../../shared/erasure.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import type { RequireScope } from './authenticate.ts';
import type { Api, Dependencies } from './dependencies.ts';
import { json, problems, security } from './openapi.ts';
import { getOwnBatch, jobsOfBatch } from './own-batch.ts';
import { pathId } from './path-id.ts';

/** The outcome for a job that was to be canceled. */
type Outcome = 'canceled' | 'stopping' | 'ended';

/** Everything of the batch that has not ended. Not one transaction: a repeat cancels the rest. */
export function addCancelBatch(api: Api, deps: Dependencies, requireScope: RequireScope): void {
  const { state } = deps;
  const route = createRoute({
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    tags: ['jobs'],
    operationId: 'cancelBatch',
    summary: 'Cancel the jobs of the batch that have not ended',
    description: 'Canceled jobs cost nothing. May be repeated.',
    security,
    middleware: [requireScope('jobs:cancel')] as const,
    request: { params: pathId('bat') },
    responses: {
      200: { description: 'How many of its jobs.', content: json(canceledBatchSchema) },
      ...problems(400, 401, 403, 404),
    },
  });
  api.openapi(route, async (c) => {
    const batch = await getOwnBatch(state, c.get('apiKey'), c.req.valid('param').id);
    const outcomes: Outcome[] = [];
    for (const job of await jobsOfBatch(state, batch)) outcomes.push(await cancel(deps, job));
    const count = (of: Outcome) => outcomes.filter((outcome) => outcome === of).length;
    // Deleted jobs are not listed any more: they had ended.
    const ended = count('ended') + batch.job_count - outcomes.length;
    return c.json({ id: batch.id, canceled: count('canceled'), stopping: count('stopping'), ended }, 200);
  });
}

async function cancel({ state, objects }: Dependencies, job: Job): Promise<Outcome> {
  if (isTerminal(job)) return 'ended';
  try {
    const after = await state.updateJob(job.id, { type: 'cancel' });
    if (!isTerminal(after)) return 'stopping';
    await eraseOutputs(objects, after);
    return 'canceled';
  } catch (error) {
    const hasEnded = error instanceof AppError && (error.code === 'already-finished' || error.code === 'gone');
    if (hasEnded) return 'ended';
    throw error;
  }
}
