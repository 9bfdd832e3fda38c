import { AppError } from '../../error.ts';
import { type Item, type Key, parse } from './dynamo-items.ts';
import type { Reads } from './dynamo-reads.ts';

/** Fewer at a time are not worth a request where a filter lets few pass. */
const MIN_PAGE = 20;

interface PageQuery<T> {
  /** Candidates for the list, the newest first: ids before `before`, about `size` at a time. */
  entries: (range: { before: string; size: number }) => AsyncIterable<readonly Key[]>;
  /** Of the ids of the listed things: `job`. */
  prefix: string;
  cursor: string | undefined;
  limit: number;
  /** Judges the item in the table; `entries` only name it. */
  filter: (thing: T) => boolean;
}

/** The newest first, which is by id (shared/id.ts). Throws `malformed` when the cursor is not one of ours. */
export async function readPage<T extends { id: string }>(
  reads: Reads,
  { entries, prefix, cursor, limit, filter }: PageQuery<T>,
): Promise<{ page: T[]; next_cursor?: string }> {
  const before = cursor === undefined ? '~' : idBefore(cursor, prefix);
  const size = Math.max(limit + 1, MIN_PAGE);
  const found: T[] = [];
  for await (const keys of entries({ before, size })) {
    const items = await reads.visible(await reads.getMany(keys));
    found.push(...items.map((item: Item) => parse<T>(item)).filter(filter));
    // One more than asked for tells whether there is a next page.
    if (found.length > limit) break;
  }
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return found.length > limit && last ? { page, next_cursor: Buffer.from(last.id).toString('base64url') } : { page };
}

function idBefore(cursor: string, prefix: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (new RegExp(`^${prefix}_[0-9a-z]{26}$`).test(id)) return id;
  throw new AppError('malformed', `cursor "${cursor}" is not a next_cursor of this list.`);
}
