import { checkIdleFiles, checkTokenFiles, hasRestored, maxFiles } from '../../caps.ts';
import { isTerminal, type Job } from '../../job.ts';
import type { ClientToken } from '../../keys.ts';
import { UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore, Upload } from '../../ports.ts';
import type { RateLimits } from '../../rate-limits.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { type Item, indexKeyOf, keyOf, modeOf, parse, shardOf } from './dynamo-items.ts';
import { chunksOf } from './dynamo-reads.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type UploadVerbs = Pick<
  StateStore,
  'createUpload' | 'getUpload' | 'updateUpload' | 'deleteUpload' | 'listStaleUploads'
>;

interface Parts {
  idempotency: IdempotentAnswers;
  limits: RateLimits | undefined;
  now: () => number;
}

export type DynamoUploads = ReturnType<typeof createDynamoUploads>;

export function createDynamoUploads(dynamo: Dynamo, { idempotency, limits, now }: Parts) {
  async function isNeeded({ id, account }: Upload): Promise<boolean> {
    for await (const entries of dynamo.queryIndex('upload', indexKeyOf.of(account, id))) {
      const jobs = (await dynamo.visible(await dynamo.getMany(entries))).map((item) => parse<Job>(item));
      if (jobs.some((job) => !isTerminal(job))) return true;
    }
    return false;
  }

  /** That there is a file more, with the bounds that it must keep. Throws `token-used-up` and `quota-exceeded`. */
  async function take(upload: Upload): Promise<Write[]> {
    const { account, bytes, token_id } = upload;
    const [idle, tokenItem] = await dynamo.getMany([
      keyOf.idleFiles(account, modeOf(upload)),
      keyOf.clientToken(token_id ?? ''),
    ]);
    const token = tokenItem && parse<ClientToken>(tokenItem);
    if (token) checkTokenFiles(token, count(tokenItem, 'files'));
    const limit = limits?.uploads;
    if (limit) checkIdleFiles(limit, { files: count(idle, 'files'), bytes: count(idle, 'bytes') }, bytes);
    const atMost = limit && { files: limit.quota - 1, bytes: limit.bytes - bytes };
    return [
      {
        add: keyOf.idleFiles(account, modeOf(upload)),
        amounts: { files: 1, bytes },
        only: { ...(atMost && { atMost }) },
      },
      ...(token ? [fileOf(token, 1)] : []),
    ];
  }

  const verbs: UploadVerbs = {
    async createUpload(upload, request) {
      const by = {
        ...keyOf.upload(upload.id),
        data: JSON.stringify(upload),
        due_of: indexKeyOf.due('UPLOAD', shardOf(upload.id)),
        due_at: staleFrom(upload),
        idle: true,
      };
      return idempotency.once(upload.account, request, async () => {
        return { writes: [{ replace: { was: null, by } }, ...(await take(upload))], levels: [] };
      });
    },
    async getUpload(id) {
      const item = await dynamo.get(keyOf.upload(id));
      return item ? parse<Upload>(item) : null;
    },
    async updateUpload(id, change) {
      return dynamo.transact(async () => {
        const item = await dynamo.get(keyOf.upload(id));
        if (!item) return { result: null, writes: [] };
        const upload = parse<Upload>(item);
        const changed = { ...upload, ...change };
        const bytes = changed.bytes - upload.bytes;
        const writes: Write[] = [
          { replace: { was: item, by: { ...item, data: JSON.stringify(changed) } } },
          ...(item.idle && bytes !== 0
            ? [{ add: keyOf.idleFiles(upload.account, modeOf(upload)), amounts: { bytes } }]
            : []),
        ];
        return { result: changed, writes };
      });
    },
    async deleteUpload(id) {
      await dynamo.transact(async () => {
        const item = await dynamo.get(keyOf.upload(id));
        if (!item) return { result: undefined, writes: [] };
        const upload = parse<Upload>(item);
        // A token is forgotten sooner than its uploads.
        const token = upload.token_id && (await dynamo.get(keyOf.clientToken(upload.token_id)));
        const writes = [
          { remove: item },
          ...giveBack(item, upload),
          ...(token && count(token, 'files') > 0 ? [fileOf(parse<ClientToken>(token), -1)] : []),
        ];
        return { result: undefined, writes };
      });
    },
    async listStaleUploads(limit, after) {
      const stale: Upload[] = [];
      const last = after && { pk: keyOf.upload(after.id).pk, due_at: staleFrom(after) };
      for await (const entries of chunksOf(dynamo.due('UPLOAD', now() - 1, last), limit)) {
        const items = (await dynamo.getMany(entries)).filter((item) => item !== undefined);
        const uploads = items.map((item) => parse<Upload>(item));
        const needed = await Promise.all(uploads.map(isNeeded));
        stale.push(...uploads.filter((_, i) => !needed[i]));
        if (stale.length >= limit) break;
      }
      return stale.slice(0, limit);
    },
  };
  return {
    verbs,
    /** Writes that go with the step of the job from `before` to `after`. */
    async record(before: Job, after: Job): Promise<Write[]> {
      const item = hasRestored(before, after) ? await dynamo.get(keyOf.upload(after.upload_id)) : undefined;
      if (!item?.idle) return [];
      const upload: Upload = { ...parse<Upload>(item), restored: true };
      const by = { ...item, data: JSON.stringify(upload), idle: undefined };
      return [{ replace: { was: item, by } }, ...giveBack(item, upload)];
    },
  };
}

/** Milliseconds since 1970. */
function staleFrom({ created_at }: Upload): number {
  return Date.parse(created_at) + UPLOAD_RETENTION_SECONDS * 1000;
}

/** A file is no longer idle. Those that are older than this count were never counted. */
function giveBack({ idle }: Item, upload: Upload): Write[] {
  const amounts = { files: -1, bytes: -upload.bytes };
  return idle ? [{ add: keyOf.idleFiles(upload.account, modeOf(upload)), amounts }] : [];
}

function fileOf(token: ClientToken, files: 1 | -1): Write {
  const atMost = files > 0 ? { atMost: { files: maxFiles(token) - 1 } } : {};
  return { add: keyOf.clientToken(token.id), amounts: { files }, only: { exists: true, ...atMost } };
}

function count(item: Item | undefined, attribute: string): number {
  return (item?.[attribute] as number | undefined) ?? 0;
}
