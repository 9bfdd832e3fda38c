import { checkCredit, checkInflight, checkMaxPrice, checkSpendCap, checkTokenJobs } from '../../caps.ts';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import type { LedgerKind } from '../../job-machine.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import { type Item, keyOf, parse } from './dynamo-items.ts';
import type { Reads } from './dynamo-reads.ts';
import type { Write } from './dynamo-transaction.ts';

export type Funds = ReturnType<typeof createFunds>;

/**
 * Balance of the account, use of the API key and of the client token. They are counted, and every write says how far:
 * what was read only tells why something is refused. `inflightCap`: of keys that have none of their own.
 */
export function createFunds(reads: Reads, inflightCap: number) {
  async function readOwners({ account, key_id, token_id }: Job) {
    const keys = [
      keyOf.account(account),
      keyOf.apiKey(key_id ?? ''),
      keyOf.keyUse(key_id ?? ''),
      keyOf.clientToken(token_id ?? ''),
    ];
    const [owner, key, keyUse, token] = await reads.getMany(keys);
    if (!owner) throw new AppError('not-found', `There is no account ${account}.`);
    return {
      balance: owner.balance as number,
      ...(key && { key: parse<ApiKey>(key) }),
      ...(token && { token: parse<ClientToken>(token) }),
      unfinished: count(keyUse, 'unfinished'),
      spent: count(keyUse, 'spent'),
      used: count(token, 'used'),
    };
  }

  return {
    /**
     * What new jobs, or with `isNew: false` a job whose price is known now, take. All are of one account, key and token.
     * Throws `not-found`, `insufficient-credit`, and where a cap is reached what `createJob` of the port says.
     */
    async take(jobs: readonly Job[], { isNew }: { isNew: boolean }): Promise<Write[]> {
      const first = jobs[0]!;
      const { balance, key, token, unfinished, spent, used } = await readOwners(first);
      const created = isNew ? jobs.length : 0;
      const amount = jobs.reduce((sum, { charge }) => sum + charge.amount, 0);
      const cap = key?.inflight_cap ?? inflightCap;
      if (token) {
        if (isNew) checkTokenJobs(token, used, created);
        for (const { charge } of jobs) checkMaxPrice(token, charge.amount);
      }
      if (key) {
        if (isNew) checkInflight(key, cap, unfinished, created);
        checkSpendCap(key, spent, amount);
      }
      checkCredit(balance, amount);
      const atMost = {
        unfinished: key && isNew && Number.isFinite(cap) ? cap - created : undefined,
        spent: key?.spend_cap === undefined ? undefined : key.spend_cap - amount,
      };
      const { account, key_id, token_id } = first;
      return [
        ...whenNotZero(keyOf.account(account), { balance: -amount }, { atLeast: { balance: amount } }),
        ...(key_id ? whenNotZero(keyOf.keyUse(key_id), { unfinished: created, spent: amount }, { atMost }) : []),
        ...(token_id && token
          ? whenNotZero(
              keyOf.clientToken(token_id),
              { used: created },
              { exists: true, atMost: { used: token.max_jobs - created } },
            )
          : []),
      ];
    },
    /** What a job that has ended gives back. */
    giveBack({ account, key_id, charge }: Job, ledger: LedgerKind | undefined): Write[] {
      const amount = ledger === 'release' ? charge.amount : 0;
      return [
        ...whenNotZero(keyOf.account(account), { balance: amount }),
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
