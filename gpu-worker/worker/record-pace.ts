import type { Job } from '../../shared/job.ts';
import type { Log } from '../../shared/log.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import { workOf } from '../../shared/pace.ts';
import type { StateStore } from '../../shared/ports.ts';

/**
 * Tells the estimates how long a job took; one that ran no network, as in test mode, says nothing about others. `seconds`:
 * from the claim to the end, `loadSeconds` of them to load the model, where it had to be. Never throws: the job has ended
 * well by now.
 */
export async function recordPace(
  { input, parameters, test }: Job,
  { seconds, loadSeconds }: { seconds: number; loadSeconds: number | undefined },
  { state, log }: { state: StateStore; log: Log },
): Promise<void> {
  if (test || !input) return;
  try {
    const work = workOf(input, parameters);
    if (work === 0) return;
    await state.recordPace(methodOf(parameters).id, { seconds: seconds - (loadSeconds ?? 0), work, loadSeconds });
  } catch (error) {
    log.warn('pace.failed', { error });
  }
}
