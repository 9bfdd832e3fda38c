import { PART_BYTES } from '../../shared/adapters/aws/s3-put.ts';
import type { Job } from '../../shared/job.ts';
import { findLedgerProblems, type LedgerEntry } from '../../shared/ledger.ts';
import type { JobQueue, ObjectStore } from '../../shared/ports.ts';
import { eraseAll, inService, isEmpty, MAX_LOOKS, type Place, patiently } from './place.ts';

/** The parts of a life that no request of its account asks for. */

/** Longer than anything is kept. */
const AGE_SECONDS = 100 * 24 * 60 * 60;
const MINUTES_OF_HOUR = 60;
const LONG_FILE = new Uint8Array(PART_BYTES + 1);

/** The work of an operator, before and after so much time that of the account's jobs only their sums are left. */
export async function age(place: Place, account: string, jobs: readonly Job[]): Promise<Record<string, unknown>> {
  const { state } = place.service;
  const operate = <Result>(verb: string, work: () => Promise<Result>) =>
    inService(place, `operator ${verb}`, () => patiently(work));
  const outcome: Record<string, unknown> = {};
  const note = async (when: string) => {
    const statement = await operate(`${when} statement`, () => state.getStatement(account));
    outcome[`ledger, ${when}`] = linesOf(statement.entries);
    outcome[`problems, ${when}`] = findLedgerProblems(statement);
    outcome[`balance, ${when}`] = statement.balance;
  };
  await operate('top up', () => state.topUp({ account, amount: 5, payment: `${account} again` }));
  await note('before');
  await place.clock.advance(AGE_SECONDS);
  await eraseAll(place, jobs);
  // On AWS each account has its minute.
  for (let minute = 0; minute < MINUTES_OF_HOUR; minute++) {
    await place.clock.advance(60);
    await operate('clear', () => state.clearOld(100));
  }
  await note('after');
  const entries = await operate('ledger', () => state.listLedger({ account }));
  outcome.entries = linesOf(entries);
  await operate('totals', () => state.getTotals());
  const accounts = await operate('accounts', () => state.listAccounts());
  outcome.isListed = accounts.some(({ id }) => id === account);
  await operate('forget', () => state.forget({ account }));
  await note('forgotten');
  return outcome;
}

/** Old jobs are summed by the day: a life that goes over midnight has two sums of what it has spent in all. */
function linesOf(entries: readonly LedgerEntry[]): string[] {
  const [sums, others] = [true, false].map((isSum) => entries.filter(({ kind }) => (kind === 'jobs') === isSum));
  const spent = sums!.reduce((total, { amount }) => total + amount, 0);
  const lines = others!.map(({ kind, amount }) => `${kind} ${amount}`);
  return [...lines, ...(sums!.length > 0 ? [`jobs ${spent}`] : [])].sort();
}

/** A file that goes in parts where there are such. Returns how much of it is there, before and after it is deleted. */
export async function keepLongFile(objects: ObjectStore, account: string): Promise<unknown> {
  const key = `out/${account}/long`;
  await patiently(() => objects.put(key, new Blob([LONG_FILE]).stream(), { contentType: 'image/png' }));
  const kept = await patiently(() => objects.head(key));
  await patiently(() => objects.delete(key));
  return [kept, await patiently(() => objects.head(key))];
}

/** Holds a message as a worker does while it waits. */
export async function holdMessage(queue: JobQueue, tenant: string): Promise<boolean> {
  const take = () => patiently(() => queue.receive({ visibilitySeconds: 60, waitSeconds: 0 }));
  await patiently(() => queue.send({ jobId: 'job_of_nobody', tenant }));
  let isExtended = false;
  // However often it was sent or delivered.
  for (let looks = 0; looks < MAX_LOOKS && !(await patiently(() => isEmpty(queue))); looks++) {
    const message = await take();
    if (!message) continue;
    const { receipt } = message;
    isExtended ||= await patiently(() => queue.extend(receipt, 120));
    await patiently(() => queue.delete(receipt));
  }
  return isExtended;
}
