import type { Delivery } from '../../delivery.ts';
import type { ApiKey } from '../../keys.ts';
import type { Account, StateStore } from '../../ports.ts';
import { indexKeyOf, type Key, keyOf, parse } from './dynamo-items.ts';
import type { Dynamo } from './dynamo-transaction.ts';

/** Answers, tokens, batches and pending deliveries go when their time is over: the table deletes them by itself. */
export function createDynamoForgetting(dynamo: Dynamo): Pick<StateStore, 'forget'> {
  async function change<Thing>(key: Key, next: (thing: Thing) => Thing): Promise<void> {
    await dynamo.transact(async () => {
      const item = await dynamo.get(key);
      if (!item) return { result: undefined, writes: [] };
      const by = { ...item, data: JSON.stringify(next(parse<Thing>(item))) };
      return { result: undefined, writes: [{ replace: { was: item, by } }] };
    });
  }

  return {
    async forget({ account, end_user }) {
      if (end_user !== undefined) return;
      await change<Account>(keyOf.account(account), (known) => ({ ...known, name: '' }));
      for await (const page of dynamo.queryIndex('list', indexKeyOf.apiKeys(account))) {
        for (const { pk, sk } of page) {
          await change<ApiKey>({ pk, sk }, ({ allowed_origins: _pages, ...key }) => ({ ...key, name: '' }));
        }
      }
      for await (const page of dynamo.queryIndex('list', indexKeyOf.webhooks(account))) {
        const items = (await dynamo.getMany(page)).filter((item) => item !== undefined);
        await dynamo.erase(items.filter((item) => parse<Delivery>(item).status !== 'pending'));
      }
    },
  };
}
