import { AppError } from './error.ts';
import { isTerminal, type Job } from './job.ts';
import type { StateStore } from './ports.ts';

/** How many of each kind. */
export interface OwnerErasure {
  /** Their words are gone, their files go with the next sweep. */
  jobs: number;
  /** They have been asked to stop: to be erased when they have. */
  running: number;
}

const PAGE = 100;

/**
 * Erases the jobs of an account, of one of its end users alone where `end_user` is given; unfinished ones are canceled.
 * Repeatable, and to be repeated while some are `running`.
 */
export async function eraseJobs(
  state: StateStore,
  owner: { account: string; end_user?: string | undefined },
): Promise<OwnerErasure> {
  const done = { jobs: 0, running: 0 };
  let cursor: string | undefined;
  do {
    const page = await state.listJobs({ ...owner, limit: PAGE, cursor });
    for (const job of page.jobs) {
      if (await eraseJob(state, job)) done.jobs++;
      else done.running++;
    }
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  await state.forget(owner);
  return done;
}

/** False: it has been asked to stop. */
async function eraseJob(state: StateStore, job: Job): Promise<boolean> {
  const ended = isTerminal(job) ? job : await state.updateJob(job.id, { type: 'cancel' });
  if (!isTerminal(ended)) return false;
  await state.updateJob(job.id, { type: 'delete' });
  return true;
}

/**
 * Erases an account but for its ledger, which names nobody: its keys end, nothing more is sent, its jobs and all that was said
 * about it go. Repeatable, and to be repeated while some jobs are `running`. Throws `not-found`.
 */
export async function eraseAccount(state: StateStore, account: string): Promise<OwnerErasure> {
  if (!(await state.getAccount(account))) throw new AppError('not-found', `There is no account ${account}.`);
  // First, so that nothing new comes.
  for (const { id } of await state.listKeys(account)) await state.revokeKey(account, id);
  for (const { id } of await state.listEndpoints(account)) await state.deleteEndpoint(account, id);
  const done = await eraseJobs(state, { account });
  return done;
}
