import type { DatabaseSync } from 'node:sqlite';
import type { Job } from '../shared/job.ts';

/** A file in `objects` of which the database knows. */
export interface NamedFile {
  key: string;
  /** Of a result: it must be there, and these are its bytes. Absent: it was announced, or can be made again. */
  result?: { job: string; bytes: number; sha256?: string };
}

/** Of a job: the files that are kept as long as its result. */
export const RESULT_FIELDS = [
  'output',
  'heatmap',
  'photo_webp',
  'output_webp',
] as const satisfies readonly (keyof Job)[];

/** Every file that a start from this database may ask for. `now`: milliseconds since 1970; results whose time is over are erased. */
export function namedFiles(database: DatabaseSync, now: number): NamedFile[] {
  const uploads = database.prepare(`SELECT data ->> 'key' AS key FROM uploads`).all();
  const checkpoints = database
    .prepare(
      `SELECT data ->> '$.checkpoint.key' AS key FROM jobs WHERE urgency = 'unfinished' AND due_at IS NOT NULL
       AND data ->> '$.checkpoint.key' IS NOT NULL`,
    )
    .all();
  const results = database
    .prepare(`SELECT id, ${RESULT_FIELDS.map((field) => `data ->> '$.${field}' AS ${field}`).join(', ')} FROM jobs
              WHERE urgency = 'ended' AND due_at > ? AND data ->> '$.output' IS NOT NULL`)
    .all(now);
  return [
    ...[...uploads, ...checkpoints].map(({ key }) => ({ key: key as string })),
    ...results.flatMap(({ id, ...fields }) =>
      Object.values(fields).flatMap((text) => {
        if (!text) return [];
        const { key, bytes, sha256 } = JSON.parse(text as string) as { key: string; bytes: number; sha256?: string };
        return [{ key, result: { job: id as string, bytes, ...(sha256 && { sha256 }) } }];
      }),
    ),
  ];
}

/** Whether the database still knows of the file: one that it has forgotten was erased. */
export function createIsNamed(database: DatabaseSync): (file: NamedFile) => boolean {
  const selectUpload = database.prepare(`SELECT 1 FROM uploads WHERE id = ? AND data ->> 'key' = ?`);
  const selectJob = database.prepare(
    `SELECT 1 FROM jobs WHERE id = ? AND deleted_at IS NULL
     AND ? IN (${RESULT_FIELDS.map((field) => `data ->> '$.${field}.key'`).join(', ')})`,
  );
  return ({ key, result }) => {
    if (result) return selectJob.get(result.job, key) !== undefined;
    const isCheckpoint = key.startsWith('out/');
    return isCheckpoint || selectUpload.get(key.split('/').at(-1)!, key) !== undefined;
  };
}
