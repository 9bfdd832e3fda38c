import { claimOwnership } from '../../shared/adapters/local/database.ts';
import { createClock } from './clock.ts';
import { openLocalStores } from './local-stores.ts';
import { SAMPLE_OUTPUT, sampleJob } from './sample-job.ts';

/**
 * A process to be killed: works jobs through the stores of the directory it is given for ever, and prints the
 * calls that have returned, one line each: `job ID`, `taken ID`, `object KEY`, `done ID`.
 */
const directory = process.argv[2]!;
claimOwnership(directory);
const { state, queue, objects } = openLocalStores(directory, createClock(Date.now()));
const account = 'acc_one';

if (!(await state.getAccount(account))) {
  await state.createAccount({ id: account, name: 'One', created_at: new Date().toISOString() });
  await state.topUp({ account, amount: 1_000_000, payment: 'first' });
}
for (;;) {
  const job = sampleJob(Date.now(), { price: 1 });
  await state.createJob(job);
  print(`job ${job.id}`);
  await queue.send({ jobId: job.id, tenant: account });
  const message = await queue.receive({ visibilitySeconds: 3600, waitSeconds: 0 });
  if (!message) throw new Error('The message that was just sent is not there.');
  const { attempt } = await state.updateJob(message.jobId, { type: 'claim' });
  print(`taken ${message.jobId}`);
  const key = `out/${message.jobId}/${attempt}`;
  await objects.put(key, new Blob([new Uint8Array(200_000).fill(7)]).stream(), { contentType: 'image/png' });
  print(`object ${key}`);
  await state.updateJob(message.jobId, { type: 'succeed', attempt, output: { ...SAMPLE_OUTPUT, key }, notes: [] });
  print(`done ${message.jobId}`);
  await queue.delete(message.receipt);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
