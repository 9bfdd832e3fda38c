import type { DatabaseSync } from 'node:sqlite';
import type { StateStore } from '../../ports.ts';
import { transaction } from './database.ts';

export function createSqliteForgetting(db: DatabaseSync): Pick<StateStore, 'forget'> {
  const eraseBatchesOfUser = db.prepare(`DELETE FROM batches WHERE account = ? AND data ->> 'end_user' = ?`);
  const selectTokens = db.prepare(
    `SELECT hash FROM client_tokens WHERE data ->> 'account' = ? AND data ->> 'end_user' = ?`,
  );
  const eraseToken = db.prepare('DELETE FROM client_tokens WHERE hash = ?');
  const selectAnswers = db.prepare('SELECT key FROM idempotency WHERE account = ?');
  const eraseAnswer = db.prepare('DELETE FROM idempotency WHERE account = ? AND key = ?');
  const ofAccount = [
    `UPDATE accounts SET name = '' WHERE id = ?`,
    `UPDATE keys SET data = json_remove(json_set(data, '$.name', ''), '$.allowed_origins') WHERE account = ?`,
    `DELETE FROM deliveries WHERE account = ? AND test IN (0, 1) AND kind = 'webhook' AND status <> 'pending'`,
    'DELETE FROM batches WHERE account = ?',
    'DELETE FROM idempotency WHERE account = ?',
  ].map((sql) => db.prepare(sql));

  function forgetUser(account: string, end_user: string): void {
    eraseBatchesOfUser.run(account, end_user);
    for (const { hash } of selectTokens.all(account, end_user)) eraseToken.run(hash as string);
    for (const { key } of selectAnswers.all(account)) {
      if (isOf(key as string, end_user)) eraseAnswer.run(account, key as string);
    }
  }

  return {
    async forget({ account, end_user }) {
      transaction(db, () => {
        if (end_user !== undefined) forgetUser(account, end_user);
        else for (const statement of ofAccount) statement.run(account);
      });
    },
  };
}

/** As shared/idempotency.ts names the space of an end user. */
function isOf(key: string, end_user: string): boolean {
  try {
    return (JSON.parse(key) as { end_user?: unknown }).end_user === end_user;
  } catch {
    return false;
  }
}
