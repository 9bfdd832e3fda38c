import { checkCredit, checkInflight, checkMaxPrice, checkSpendCap, checkTokenJobs } from '../../caps.ts';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import type { LedgerKind } from '../../job-machine.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import { policiesOf, type RateLimits } from '../../rate-limits.ts';
import { type Item, keyOf, modeOf, parse } from './dynamo-items.ts';
import type { Creating, Quotas } from './dynamo-quotas.ts';
import type { Reads } from './dynamo-reads.ts';
import type { Write } from './dynamo-transaction.ts';

export type Funds = ReturnType<typeof createFunds>;

/**
 * Balance and use of the account, use of the API key and of the client token. They are counted, and every write says
 * how far: the values that were read only tell why something is refused.
 */
export function createFunds(reads: Reads, quotas: Quotas, limits: RateLimits | undefined) {
  async function readOwners(job: Job) {
    const { account, key_id, token_id } = job;
    const keys = [
      keyOf.account(account),
      keyOf.accountUse(account, modeOf(job)),
      keyOf.apiKey(key_id ?? ''),
      keyOf.keyUse(key_id ?? ''),
      keyOf.clientToken(token_id ?? ''),
    ];
    const [owner, use, key, keyUse, token] = await reads.getMany(keys);
    if (!owner) throw new AppError('not-found', `There is no account ${account}.`);
    return {
      balance: owner.balance as number,
      ...(key && { key: parse<ApiKey>(key) }),
      ...(token && { token: parse<ClientToken>(token) }),
      unfinished: count(use, 'unfinished'),
      unfinishedOfKey: count(keyUse, 'unfinished'),
      spent: count(keyUse, 'spent'),
      used: count(token, 'used'),
    };
  }

  /** The quotas that new jobs take. All are of one owner. Throws `quota-exceeded`. */
  async function takeQuotas(jobs: readonly Job[]): Promise<Creating> {
    const policies = Map.groupBy(jobs.flatMap(policiesOf), (policy) => policy);
    const taken = await Promise.all([...policies].map(([policy, of]) => quotas.take(jobs[0]!, policy, of.length)));
    return { writes: taken.flatMap(({ writes }) => writes), levels: taken.flatMap(({ levels }) => levels) };
  }

  return {
    /**
     * Writes for new jobs, or with `isNew: false` for a job whose price is known now. All are of one account, key and
     * token. Throws `not-found`, `insufficient-credit`, and at a cap the errors of `createJob`.
     */
    async take(jobs: readonly Job[], { isNew }: { isNew: boolean }): Promise<Creating> {
      const first = jobs[0]!;
      const [owners, rates] = await Promise.all([readOwners(first), takeQuotas(isNew ? jobs : [])]);
      const { balance, key, token, unfinished, unfinishedOfKey, spent, used } = owners;
      const created = isNew ? jobs.length : 0;
      const amount = jobs.reduce((sum, { charge }) => sum + charge.amount, 0);
      const capOfKey = key?.inflight_cap;
      const cap = limits?.inflight.quota;
      if (token) {
        if (isNew) checkTokenJobs(token, used, created);
        for (const { charge } of jobs) checkMaxPrice(token, charge.amount);
      }
      if (isNew && capOfKey !== undefined) checkInflight(`The key ${key!.id}`, capOfKey, unfinishedOfKey, created);
      if (isNew && cap !== undefined) checkInflight('The account', cap, unfinished, created);
      if (key) checkSpendCap(key, spent, amount);
      checkCredit(balance, amount);
      const below = (most: number | undefined) => (isNew && most !== undefined ? most - created : undefined);
      const atMost = {
        unfinished: below(capOfKey),
        spent: key?.spend_cap === undefined ? undefined : key.spend_cap - amount,
      };
      const { account, key_id, token_id } = first;
      const writes = [
        ...rates.writes,
        ...whenNotZero(keyOf.account(account), { balance: -amount }, { atLeast: { balance: amount } }),
        ...whenNotZero(
          keyOf.accountUse(account, modeOf(first)),
          { unfinished: created },
          { atMost: { unfinished: below(cap) } },
        ),
        ...(key_id ? whenNotZero(keyOf.keyUse(key_id), { unfinished: created, spent: amount }, { atMost }) : []),
        ...(token_id && token
          ? whenNotZero(
              keyOf.clientToken(token_id),
              { used: created },
              { exists: true, atMost: { used: token.max_jobs - created } },
            )
          : []),
      ];
      return { writes, levels: rates.levels };
    },
    /** Gives back the amount and the counts of a job that has ended. */
    async giveBack(job: Job, ledger: LedgerKind | undefined): Promise<Write[]> {
      const { account, key_id, charge } = job;
      const amount = ledger === 'release' ? charge.amount : 0;
      const use = keyOf.accountUse(account, modeOf(job));
      // Jobs that are older than this count were never counted.
      const isCounted = count(await reads.get(use), 'unfinished') > 0;
      return [
        ...whenNotZero(keyOf.account(account), { balance: amount }),
        ...(isCounted ? whenNotZero(use, { unfinished: -1 }) : []),
        ...(key_id ? whenNotZero(keyOf.keyUse(key_id), { unfinished: -1, spent: -amount }) : []),
      ];
    },
  };
}

/** Adding nothing needs no write, and leaves an item alone that many others want. */
function whenNotZero(
  add: Extract<Write, { add: unknown }>['add'],
  amounts: Record<string, number>,
  only?: Extract<Write, { add: unknown }>['only'],
): Write[] {
  const given = Object.entries(amounts).filter(([, amount]) => amount !== 0);
  return given.length > 0 ? [{ add, amounts: Object.fromEntries(given), ...(only && { only }) }] : [];
}

function count(item: Item | undefined, attribute: string): number {
  return (item?.[attribute] as number | undefined) ?? 0;
}
