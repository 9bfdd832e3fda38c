import { recoverAfterCrash } from '../../shared/adapters/local/database.ts';
import { outwaitLock } from '../../shared/adapters/local/outwait-lock.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Job, JobEvent, JobInput, PriceTerms } from '../../shared/job.ts';
import { createJob } from '../../shared/job-machine.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { LEASE_SECONDS } from '../../shared/limits.ts';
import { METHOD_IDS, OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import type { StateStore } from '../../shared/ports.ts';
import { PRICE_LISTS, type PriceList, priceOf, rateOf } from '../../shared/pricing.ts';
import { agreedPrice } from '../../shared/quote.ts';
import { type Clock, createClock } from './clock.ts';
import { openLocalStores } from './local-stores.ts';
import { SAMPLE_OUTPUT } from './sample-job.ts';

export const STORM_ACCOUNT = 'acc_storm';
const SEED_MONEY = 100_000;
const PRICES = PRICE_LISTS.standard;
/** Of the time when half of the jobs were quoted. */
const EARLIER_PRICES = {
  ...PRICES,
  minimum: 900,
  per_output_megapixel: cheaper(PRICES.per_output_megapixel),
  per_network_call: cheaper(PRICES.per_network_call),
};

function cheaper(prices: PriceList['per_network_call']): PriceList['per_network_call'] {
  return Object.fromEntries(Object.entries(prices).map(([id, price]) => [id, Math.floor(0.9 * price)]));
}
const FAILURE = new AppError('engine-failed', 'The engine failed.');

interface StormOptions {
  state: StateStore;
  clock: Clock;
  /** 0 ≤ x < 1 */
  random: () => number;
}

/** The stores of a directory as a process finds them that comes after a crash, with the account of the storm. */
export async function openStorm(directory: string, start?: number) {
  const stores = openLocalStores(directory, createClock(start));
  await outwaitLock(() => recoverAfterCrash(stores.database));
  const { state } = stores;
  const created_at = new Date(0).toISOString();
  await refusable(() => state.createAccount({ id: STORM_ACCOUNT, name: 'storm', created_at }));
  await state.topUp({ account: STORM_ACCOUNT, amount: SEED_MONEY, payment: 'seed' });
  return stores;
}

/**
 * One job, by a client that repeats itself, two workers of which one may be lost, a canceler, a reaper and an eraser:
 * all their steps in a random order that keeps the order of each.
 */
export async function interleave(options: StormOptions): Promise<void> {
  const actors = await cast(options);
  while (actors.length > 0) {
    const index = Math.floor(options.random() * actors.length);
    const step = actors[index]!.shift();
    if (step) await refusable(step);
    else actors.splice(index, 1);
  }
}

type Step = () => Promise<unknown>;

async function cast(options: StormOptions): Promise<Step[][]> {
  const { state, clock, random } = options;
  const chance = (share: number) => random() < share;
  const { job, input } = newJob(options);
  const idempotency = { key: job.id, fingerprint: 'f', response: { status: 202, headers: {}, body: job.id } };
  const submit = () => state.createJob(job, idempotency);
  // The same request, for which the service has made another id.
  const again = () => state.createJob({ ...job, id: createId('job', clock.now()) }, idempotency);
  const update = (event: JobEvent) => state.updateJob(job.id, event);
  const arrive = async () => update({ type: 'uploaded', input, ...agreedPrice(job, input, PRICES) });

  const worker = (): Step[] => {
    let attempt = 0;
    const isLost = chance(0.3);
    const end = random();
    return [
      async () => {
        attempt = (await update({ type: 'claim' })).attempt;
      },
      () => update({ type: 'progress', attempt, progress: { stage: 'upscale', percent: 40 } }),
      isLost
        ? async () => clock.advance(LEASE_SECONDS + 1)
        : () => {
            if (end < 0.6) return update({ type: 'succeed', attempt, output: SAMPLE_OUTPUT, notes: [] });
            if (end < 0.75) return update({ type: 'fail', attempt, error: FAILURE });
            return update({ type: 'give_back', attempt, ...(end < 0.9 && { error: FAILURE }) });
          },
    ];
  };

  await submit().catch(asRefusal);
  const topUp = { account: STORM_ACCOUNT, amount: 1 + Math.floor(random() * 30_000), payment: `pay-${job.id}` };
  return [
    [again, again],
    job.input ? [] : chance(0.8) ? [arrive, arrive] : [],
    worker(),
    worker(),
    chance(0.4) ? [() => update({ type: 'cancel' }), () => update({ type: 'cancel' })] : [],
    chance(0.2) ? [() => update({ type: 'expire' })] : [],
    chance(0.3) ? [() => update({ type: 'fail', error: FAILURE })] : [],
    chance(0.3) ? [() => update({ type: 'delete' }), () => update({ type: 'purge' })] : [],
    chance(0.5) ? [() => state.topUp(topUp), () => state.topUp(topUp)] : [],
  ];
}

/**
 * Half of them await their photo, half of them have a quote. The cost that it must have in the end and its key are in
 * its `input_key`, which stays.
 */
function newJob({ clock, random }: StormOptions): { job: Job; input: JobInput } {
  const input: JobInput = {
    width: 1 + Math.floor(random() * 900),
    height: 1 + Math.floor(random() * 900),
    bytes: 1000,
    format: 'png',
  };
  const model = METHOD_IDS[Math.floor(random() * METHOD_IDS.length)];
  const parameters = completeParameters(requestedParametersSchema.parse({ model, fidelity: random() }), OWN_MODELS);
  const isQuoted = random() < 0.5;
  const prices = isQuoted ? EARLIER_PRICES : PRICES;
  const price = priceOf(input, parameters, prices);
  const rate = rateOf(parameters, prices);
  const { width, height } = input;
  const terms: PriceTerms = isQuoted ? { quote: { width, height, price, rate } } : {};
  const job = createJob(
    {
      id: createId('job', clock.now()),
      account: STORM_ACCOUNT,
      upload_id: createId('upl', clock.now()),
      input_key: `price/${price}`,
      parameters,
      retention_hours: 1,
      terms,
      price,
      ...(random() < 0.5 && { input, rate }),
    },
    clock.now(),
  );
  return { job: { ...job, idempotency_key: job.id, input_key: `${job.input_key}/${job.id}` }, input };
}

/** Refusals for money are part of the storm; other errors are not. */
async function refusable(step: Step): Promise<unknown> {
  return await step().catch(asRefusal);
}

function asRefusal(error: unknown): void {
  if (!(error instanceof AppError) || error.code === 'internal') throw error;
}

/** Everything that is wrong with the account of the storm, in words. */
export async function stormFaults(state: StateStore): Promise<string[]> {
  const statement = await state.getStatement(STORM_ACCOUNT);
  const faults = findLedgerProblems(statement);
  const keys = new Set<string>();
  let spent = 0;
  for (const { id } of statement.jobs) {
    const { charge, input, input_key } = (await state.getJob(id))!;
    const [, price, key = ''] = input_key.split('/');
    const quoted = Number(price);
    if (input && charge.amount !== quoted) faults.push(`Job ${id} was to cost ${quoted} and costs ${charge.amount}.`);
    if (keys.has(key)) faults.push(`There are two jobs of the key ${key}.`);
    keys.add(key);
    if (charge.state === 'captured' || charge.state === 'reserved') spent += quoted;
  }
  const deposits = statement.entries.filter(({ kind }) => kind === 'top_up');
  const left = deposits.reduce((sum, { amount }) => sum + amount, 0) - spent;
  if (left !== statement.balance) faults.push(`The balance is ${statement.balance}, and ${left} must be left.`);
  if (deposits.filter(({ amount }) => amount === SEED_MONEY).length < 1) faults.push('The seed is gone.');
  return faults;
}
