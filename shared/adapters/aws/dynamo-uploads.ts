import { isTerminal, type Job } from '../../job.ts';
import { UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore, Upload } from '../../ports.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { indexKeyOf, keyOf, parse, shardOf } from './dynamo-items.ts';
import type { Dynamo } from './dynamo-transaction.ts';

type UploadVerbs = Pick<StateStore, 'createUpload' | 'getUpload' | 'deleteUpload' | 'listStaleUploads'>;

export function createDynamoUploads(dynamo: Dynamo, idempotency: IdempotentAnswers, now: () => number): UploadVerbs {
  async function isNeeded({ id, account }: Upload): Promise<boolean> {
    for await (const entries of dynamo.queryIndex('upload', indexKeyOf.of(account, id))) {
      const jobs = (await dynamo.visible(await dynamo.getMany(entries))).map((item) => parse<Job>(item));
      if (jobs.some((job) => !isTerminal(job))) return true;
    }
    return false;
  }
  return {
    async createUpload(upload, request) {
      const by = {
        ...keyOf.upload(upload.id),
        data: JSON.stringify(upload),
        due_of: indexKeyOf.due('UPLOAD', shardOf(upload.id)),
        due_at: Date.parse(upload.created_at) + UPLOAD_RETENTION_SECONDS * 1000,
      };
      return idempotency.once(upload.account, request, () => [{ replace: { was: null, by } }]);
    },
    async getUpload(id) {
      const item = await dynamo.get(keyOf.upload(id));
      return item ? parse<Upload>(item) : null;
    },
    async deleteUpload(id) {
      await dynamo.erase([keyOf.upload(id)]);
    },
    async listStaleUploads(limit) {
      const stale: Upload[] = [];
      for await (const entry of dynamo.due('UPLOAD', now() - 1)) {
        const item = await dynamo.get(entry);
        const upload = item && parse<Upload>(item);
        if (upload && !(await isNeeded(upload))) stale.push(upload);
        if (stale.length === limit) break;
      }
      return stale;
    },
  };
}
