import { changeEndpoint, checkEndpointCount, type Endpoint, type EndpointChange } from '../../endpoint.ts';
import { AppError } from '../../error.ts';
import type { Outbox } from '../../outbox-port.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { type Item, indexKeyOf, keyOf, parse } from './dynamo-items.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type EndpointVerbs = Pick<
  Outbox,
  'createEndpoint' | 'getEndpoint' | 'listEndpoints' | 'updateEndpoint' | 'deleteEndpoint'
>;

/** Receivers of webhooks. They are in the partition of their account, so that a list of them is never old. */
export function createDynamoEndpoints(
  dynamo: Dynamo,
  idempotency: IdempotentAnswers,
  now: () => number,
): EndpointVerbs {
  async function eraseDeliveries(account: string, id: string): Promise<void> {
    for await (const page of dynamo.queryIndex('endpoint', indexKeyOf.of(account, id))) await dynamo.erase(page);
  }
  /** Two that are added at the same time collide: both write the same item. Throws `conflict`. */
  async function count(account: string): Promise<Write[]> {
    const key = keyOf.endpoints(account);
    const was = (await dynamo.get(key)) ?? null;
    checkEndpointCount(await listEndpoints(dynamo, account));
    return [{ replace: { was, by: { ...key } } }];
  }
  return {
    async createEndpoint(endpoint, request) {
      const { account, id } = endpoint;
      const keys = [keyOf.endpoint(account, id), ...(endpoint.url === undefined ? [keyOf.signer(account)] : [])];
      return idempotency.once(account, request, async () => {
        if ((await dynamo.getMany(keys)).some((item) => item !== undefined)) {
          throw new AppError('already-exists', `Account ${account} has this endpoint already.`);
        }
        const data = JSON.stringify(endpoint);
        const added: Write[] = keys.map((key) => ({ replace: { was: null, by: { ...key, data } } }));
        return { writes: [...added, ...(endpoint.url === undefined ? [] : await count(account))], levels: [] };
      });
    },
    async getEndpoint(account, id) {
      const item = await dynamo.get(keyOf.endpoint(account, id));
      return item ? parse<Endpoint>(item) : null;
    },
    async listEndpoints(account) {
      return listEndpoints(dynamo, account);
    },
    async updateEndpoint(account, id, event, request) {
      const find = () => dynamo.get(keyOf.endpoint(account, id));
      if (!(await find())) return null;
      let changed: Endpoint | undefined;
      const creation = await idempotency.once(account, request, async () => {
        const item = await find();
        changed = item && changeEndpoint(parse<Endpoint>(item), event, now());
        return { writes: item && changed ? [replaceEndpoint(item, changed)] : [], levels: [] };
      });
      if (creation.created && changed) return changed;
      const item = await find();
      return item ? parse<Endpoint>(item) : null;
    },
    async deleteEndpoint(account, id) {
      // Deliveries first: a crash leaves an endpoint that can be deleted again.
      await eraseDeliveries(account, id);
      const wasThere = await dynamo.transact(async () => {
        const [item, signer] = await dynamo.getMany([keyOf.endpoint(account, id), keyOf.signer(account)]);
        if (!item) return { result: false, writes: [] };
        const isSigner = signer && parse<Endpoint>(signer).id === id;
        return { result: true, writes: [{ remove: item }, ...(isSigner ? [{ remove: signer }] : [])] };
      });
      // Those that were written meanwhile.
      if (wasThere) await eraseDeliveries(account, id);
      return wasThere;
    },
  };
}

/** Oldest first, which is by id. */
export async function listEndpoints(dynamo: Dynamo, account: string): Promise<Endpoint[]> {
  const { pk, sk } = keyOf.endpoint(account, '');
  return (await dynamo.query(pk, sk, `${sk}~`)).map((item) => parse<Endpoint>(item));
}

/** `change` as far as it changes anything. */
export function writesOfChange(item: Item, change: EndpointChange, now: number): Write[] {
  const endpoint = parse<Endpoint>(item);
  const changed = changeEndpoint(endpoint, change, now);
  return changed === endpoint ? [] : [replaceEndpoint(item, changed)];
}

function replaceEndpoint(item: Item, endpoint: Endpoint): Write {
  return { replace: { was: item, by: { ...item, data: JSON.stringify(endpoint) } } };
}
