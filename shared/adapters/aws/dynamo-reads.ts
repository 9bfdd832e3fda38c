import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  type QueryCommandInput,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { STATE, unavailable } from './aws-trouble.ts';
import { type DueKind, type Item, indexKeyOf, type Key, keyOf } from './dynamo-items.ts';
import { SHARDS, STATE_TABLE } from './dynamo-table.ts';
import { pause } from './pause.ts';

/** Limit of one request. */
const MAX_GETS = 100;
const MAX_DELETES = 25;
const PAGE = 100;
const MAX_TRIES = 20;
/** Of due items: many may belong to a sender that has its share, and are passed over. */
const DUE_PAGE = 500;

/** Where an index names an item. */
type Entry = Key & { sort?: string; due_at?: number; target?: string };

/** Where something is in the order in which it is due. */
type Due = { pk: string; due_at: number };

export type Reads = ReturnType<typeof createReads>;

/** Reads of the table are strong: they see every write that ended before. Those of indexes may lag behind. */
export function createReads(client: DynamoDBClient, table: string) {
  async function getMany(keys: readonly Key[]): Promise<(Item | undefined)[]> {
    const found = new Map<string, Item>();
    const distinct = new Map(keys.map(({ pk, sk }) => [nameOf({ pk, sk }), { pk, sk }]));
    let rest = [...distinct.values()].map((key) => marshall(key));
    for (let tries = 0; rest.length > 0; ) {
      const asked = { Keys: rest.slice(0, MAX_GETS), ConsistentRead: true };
      const { Responses, UnprocessedKeys } = await client.send(
        new BatchGetItemCommand({ RequestItems: { [table]: asked } }),
      );
      for (const item of Responses?.[table] ?? []) {
        const read = unmarshall(item) as Item;
        found.set(nameOf(read), read);
      }
      const left = UnprocessedKeys?.[table]?.Keys ?? [];
      rest = [...left, ...rest.slice(MAX_GETS)];
      if (left.length > 0) await outwait(tries++);
    }
    return keys.map((key) => found.get(nameOf(key)));
  }

  /** Of one partition of the table, those with a sort key from `first` to `last`. */
  async function query(pk: string, first: string, last: string): Promise<Item[]> {
    const items: Item[] = [];
    const pages = queryPages({
      KeyConditionExpression: 'pk = :pk AND sk BETWEEN :first AND :last',
      ExpressionAttributeValues: marshall({ ':pk': pk, ':first': first, ':last': last }),
      ConsistentRead: true,
    });
    for await (const page of pages) items.push(...page);
    return items;
  }

  async function* queryPages(input: Omit<QueryCommandInput, 'TableName'>): AsyncGenerator<Item[]> {
    let from: Record<string, AttributeValue> | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({ ...input, TableName: table, ...(from && { ExclusiveStartKey: from }) }),
      );
      yield Items.map((item) => unmarshall(item) as Item);
      from = LastEvaluatedKey;
    } while (from);
  }

  /** The entries of a partition of an index, by pages; the newest first where `before` (exclusive) is given. */
  function queryIndex(
    index: Exclude<keyof typeof STATE_TABLE.globalIndexes, 'due'>,
    hash: string,
    { before, size = PAGE }: { before?: string; size?: number } = {},
  ): AsyncGenerator<Entry[]> {
    const { hashKey } = STATE_TABLE.globalIndexes[index];
    return queryPages({
      IndexName: index,
      KeyConditionExpression: `${hashKey} = :hash${before === undefined ? '' : ' AND #sort < :before'}`,
      ExpressionAttributeValues: marshall({ ':hash': hash, ...(before !== undefined && { ':before': before }) }),
      ...(before !== undefined && { ExpressionAttributeNames: { '#sort': 'sort' } }),
      ScanIndexForward: before === undefined,
      Limit: size,
    });
  }

  return {
    getMany,
    query,
    queryIndex,
    /** Those that are there, without items of an incomplete batch (dynamo-batches.ts). */
    async visible(items: readonly (Item | undefined)[]): Promise<Item[]> {
      const found = items.filter((item) => item !== undefined);
      const seals = [...new Set(found.flatMap(({ seal }) => (seal ? [seal as string] : [])))];
      if (seals.length === 0) return found;
      const batches = await getMany(seals.map(keyOf.batch));
      const complete = new Set(seals.filter((_, i) => batches[i] && !batches[i].open));
      return found.filter(({ seal }) => !seal || complete.has(seal as string));
    },
    async get({ pk, sk }: Key): Promise<Item | undefined> {
      const Key = marshall({ pk, sk });
      const { Item } = await client.send(new GetItemCommand({ TableName: table, Key, ConsistentRead: true }));
      return Item && (unmarshall(Item) as Item);
    },
    /** Items due until `time` (ms, inclusive), the most overdue first. `after`: goes on behind it. */
    async *due(kind: DueKind, time: number, after: Due = { pk: '', due_at: 0 }): AsyncGenerator<Entry & Due> {
      if (after.due_at > time) return; // an empty range is an error
      const shards = Array.from({ length: SHARDS }, (_, shard) =>
        queryPages({
          IndexName: 'due',
          KeyConditionExpression: 'due_of = :hash AND due_at BETWEEN :from AND :time',
          ExpressionAttributeValues: marshall({
            ':hash': indexKeyOf.due(kind, shard),
            ':from': after.due_at,
            ':time': time,
          }),
          Limit: DUE_PAGE,
        }),
      );
      const order = (a: Due, b: Due) => a.due_at - b.due_at || (a.pk < b.pk ? -1 : Number(a.pk > b.pk));
      const entries = inOrder(shards as AsyncGenerator<(Entry & Due)[]>[], order);
      for await (const entry of entries) if (order(after, entry) < 0) yield entry;
    },
    /** Queued jobs of all accounts, the oldest first. */
    queued(): AsyncGenerator<Entry> {
      const shards = Array.from({ length: SHARDS }, (_, shard) => queryIndex('queued', indexKeyOf.queued(shard)));
      return inOrder(shards, (a: Entry, b: Entry) => (a.sort! < b.sort! ? -1 : 1));
    },
    /** Without any condition, and not all at once. Deleting a missing item succeeds. */
    async erase(keys: readonly Key[]): Promise<void> {
      let rest = keys.map(({ pk, sk }) => ({ DeleteRequest: { Key: marshall({ pk, sk }) } }));
      for (let tries = 0; rest.length > 0; ) {
        const asked = { [table]: rest.slice(0, MAX_DELETES) };
        const { UnprocessedItems } = await client.send(new BatchWriteItemCommand({ RequestItems: asked }));
        const left = (UnprocessedItems?.[table] ?? []) as typeof rest;
        rest = [...left, ...rest.slice(MAX_DELETES)];
        if (left.length > 0) await outwait(tries++);
      }
    },
  };
}

/** The table is busy: it did a part of the request. */
async function outwait(tries: number): Promise<void> {
  if (tries === MAX_TRIES) throw unavailable(STATE, new Error('Some of the items were left unprocessed.'));
  await pause(tries);
}

/** At most `size` at a time. */
export async function* chunksOf<T>(source: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const one of source) {
    chunk.push(one);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

/** Merges sources that are in order already. */
async function* inOrder<T>(sources: AsyncGenerator<T[]>[], compare: (a: T, b: T) => number): AsyncGenerator<T> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, page: await nextPage(source, compare) })));
  for (;;) {
    const first = heads.filter(({ page }) => page.length > 0).toSorted((a, b) => compare(a.page[0]!, b.page[0]!))[0];
    if (!first) return;
    yield first.page.shift()!;
    if (first.page.length === 0) first.page = await nextPage(first.source, compare);
  }
}

/** Empty: there are no more. A page of an answer may be empty, and others follow. */
async function nextPage<T>(source: AsyncGenerator<T[]>, compare: (a: T, b: T) => number): Promise<T[]> {
  for (;;) {
    const { done, value } = await source.next();
    if (done) return [];
    // An index leaves open how items follow one another whose sort keys are equal.
    if (value.length > 0) return value.toSorted(compare);
  }
}

function nameOf({ pk, sk }: Key): string {
  return JSON.stringify([pk, sk]);
}
