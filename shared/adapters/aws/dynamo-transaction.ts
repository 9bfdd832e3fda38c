import {
  type CancellationReason,
  type ConditionalCheckFailedException,
  type Delete,
  type DynamoDBClient,
  type Put,
  PutItemCommand,
  type TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  type Update,
} from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { STATE, unavailable } from './aws-trouble.ts';
import type { Item, Key } from './dynamo-items.ts';
import { createReads } from './dynamo-reads.ts';
import { pause } from './pause.ts';

/** One write of a transaction, with its condition. No item may be written twice in one transaction. */
export type Write =
  /** `was`: as it was read, null when it was not there; it must still be so. */
  | { replace: { was: Item | null; by: Item } }
  | { remove: Item }
  /** Adds to numbers, which start at 0. */
  | { add: Key; amounts: Record<string, number>; only?: Limits }
  /** Sets numbers that are as they were read. */
  | { set: Key; numbers: Record<string, number>; was: Record<string, number | undefined> };

interface Limits {
  /** Before the addition. */
  atLeast?: Record<string, number>;
  atMost?: Record<string, number | undefined>;
  exists?: true;
}

const MAX_TRIES = 40;

/** Somebody else was faster, or an item is busy: to be tried again. A table that refuses everybody is `unavailable`. */
const AGAIN = new Set([
  'ConditionalCheckFailed',
  'ConditionalCheckFailedException',
  'TransactionConflict',
  'TransactionConflictException',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
]);

/** Limit of one transaction. */
export const MAX_WRITES = 100;

export type Dynamo = ReturnType<typeof openTable>;

/** Reads and transactions of one table. */
export function openTable(client: DynamoDBClient, table: string) {
  return { ...createReads(client, table), transact: createTransactions(client, table) };
}

function createTransactions(client: DynamoDBClient, table: string) {
  /** False: a condition does not hold, or the items are busy; nothing was written. */
  async function commit(writes: readonly Write[]): Promise<boolean> {
    const [first, ...others] = writes.map((write) => requestOf(table, write));
    try {
      if (first?.Put && others.length === 0) return await putAlone(client, first.Put);
      await sendOnce(client, [first!, ...others]);
      return true;
    } catch (error) {
      if (mayComeAgain(error as Error)) return false;
      throw error;
    }
  }

  /**
   * Runs `attempt`, which reads, decides and returns writes, until its writes find everything as it was read. An error
   * of it ends the run. Throws `unavailable` when others are faster all the time.
   */
  return async function transact<T>(attempt: () => Promise<{ result: T; writes: readonly Write[] }>): Promise<T> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const { result, writes } = await attempt();
      if (writes.length === 0 || (await commit(writes))) return result;
      await pause(tries);
    }
    throw unavailable(STATE, new Error(`Others were faster ${MAX_TRIES} times.`));
  };
}

/** A repeat has the same token, so that a request that was lost on its way, or is still under way, happens once. */
async function sendOnce(client: DynamoDBClient, TransactItems: TransactWriteItem[]): Promise<void> {
  const ClientRequestToken = crypto.randomUUID();
  for (let tries = 0; ; tries++) {
    try {
      await client.send(new TransactWriteItemsCommand({ TransactItems, ClientRequestToken }));
      return;
    } catch (error) {
      if ((error as Error).name !== 'TransactionInProgressException') throw error;
      if (tries === MAX_TRIES) throw unavailable(STATE, error);
      await pause(tries);
    }
  }
}

/** Half as dear as a transaction of one. When the answer is lost and the SDK repeats it, it must know its own write. */
async function putAlone(client: DynamoDBClient, put: Put): Promise<boolean> {
  const writer = marshall({ writer: crypto.randomUUID() });
  const Item = { ...put.Item, ...writer };
  try {
    await client.send(new PutItemCommand({ ...put, Item, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }));
    return true;
  } catch (error) {
    const { Item: found } = error as ConditionalCheckFailedException;
    if (found?.writer?.S === writer.writer?.S) return true;
    throw error;
  }
}

/** Of a canceled transaction every write has a reason, by its position; those without fault have `None`. */
function mayComeAgain(error: Error): boolean {
  if (error.name !== 'TransactionCanceledException') return AGAIN.has(error.name);
  const { CancellationReasons: reasons = [] } = error as TransactionCanceledException;
  const isFault = ({ Code = 'None' }: CancellationReason) => Code !== 'None';
  return reasons.some(isFault) && reasons.filter(isFault).every(({ Code }) => AGAIN.has(Code!));
}

function requestOf(table: string, write: Write): TransactWriteItem {
  if ('replace' in write) return { Put: putOf(table, write.replace) };
  if ('remove' in write) return { Delete: { TableName: table, Key: keyIn(write.remove), ...unchanged(write.remove) } };
  return { Update: 'set' in write ? settingOf(table, write) : updateOf(table, write) };
}

function putOf(table: string, { was, by }: Extract<Write, { replace: unknown }>['replace']): Put {
  const revision = ((was?.revision as number | undefined) ?? 0) + 1;
  const Item = marshall({ ...by, revision }, { removeUndefinedValues: true });
  const condition = was ? unchanged(was) : { ConditionExpression: 'attribute_not_exists(pk)' };
  return { TableName: table, Item, ...condition };
}

function unchanged({ revision }: Item): Pick<Delete, 'ConditionExpression' | 'ExpressionAttributeValues'> {
  return { ConditionExpression: 'revision = :was', ExpressionAttributeValues: marshall({ ':was': revision }) };
}

function updateOf(table: string, { add, amounts, only = {} }: Extract<Write, { add: Key }>): Update {
  const names: Record<string, string> = {};
  const values: Record<string, number> = {};
  const name = (attribute: string) => {
    names[`#${attribute}`] = attribute;
    return `#${attribute}`;
  };
  const value = (given: number) => {
    const placeholder = `:v${Object.keys(values).length}`;
    values[placeholder] = given;
    return placeholder;
  };
  const additions = Object.entries(amounts).map(([attribute, amount]) => `${name(attribute)} ${value(amount)}`);
  const conditions = only.exists ? ['attribute_exists(pk)'] : [];
  for (const [attribute, bound] of Object.entries(only.atLeast ?? {})) {
    conditions.push(`${name(attribute)} >= ${value(bound)}`);
  }
  for (const [attribute, bound] of Object.entries(only.atMost ?? {})) {
    if (bound === undefined) continue;
    const upTo = `${name(attribute)} <= ${value(bound)}`;
    // A missing attribute is 0.
    conditions.push(bound < 0 ? upTo : `(attribute_not_exists(${name(attribute)}) OR ${upTo})`);
  }
  return {
    TableName: table,
    Key: keyIn(add),
    UpdateExpression: `ADD ${additions.join(', ')}`,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: marshall(values),
    ...(conditions.length > 0 && { ConditionExpression: conditions.join(' AND ') }),
  };
}

function settingOf(table: string, { set, numbers, was }: Extract<Write, { set: Key }>): Update {
  const names = Object.keys(numbers);
  const assignments = names.map((name) => `#${name} = :${name}`);
  const conditions = names.map((name) =>
    was[name] === undefined ? `attribute_not_exists(#${name})` : `#${name} = :was_${name}`,
  );
  const values = names.flatMap((name) => [
    [`:${name}`, numbers[name]],
    ...(was[name] === undefined ? [] : [[`:was_${name}`, was[name]]]),
  ]);
  return {
    TableName: table,
    Key: keyIn(set),
    UpdateExpression: `SET ${assignments.join(', ')}`,
    ConditionExpression: conditions.join(' AND '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: marshall(Object.fromEntries(values)),
  };
}

function keyIn({ pk, sk }: Key) {
  return marshall({ pk, sk });
}
