import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { JobQueue, QueueMessage } from '../../ports.ts';
import { checkUndamaged, notingDamage } from './damage.ts';
import { transaction } from './database.ts';
import { outwaitingLocks } from './outwait-lock.ts';

interface Options {
  /** Several queues share a database. */
  name: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Deliveries of a message before it moves to `deadLetters`. */
  maxReceives?: number;
  /** Name of another queue in the same database; without it messages are delivered for ever. */
  deadLetters?: string;
}

/** How soon a waiting `receive` sees changes without a notice: a timeout, or a message from another process. */
const LOOK_EVERY_MILLISECONDS = 250;

interface Row {
  position: number;
  tenant: string;
  job_id: string;
  receive_count: number;
}

/** Among tenants the one served least recently goes first, and of each the oldest message. */
export function createSqliteJobQueue(
  db: DatabaseSync,
  { name, now, maxReceives = Number.POSITIVE_INFINITY, deadLetters }: Options,
): JobQueue {
  const insert = db.prepare('INSERT INTO messages (queue, tenant, job_id) VALUES (?, ?, ?)');
  // The + keeps SQLite from going by visible_at: then it would sort every message, not walk from the oldest.
  const selectNext = db.prepare(
    `SELECT position, messages.tenant, job_id, receive_count
     FROM tenants INDEXED BY tenants_waiting CROSS JOIN messages ON position =
       (SELECT position FROM messages WHERE queue = ?1 AND tenant = tenants.tenant AND +visible_at <= ?2
        ORDER BY position LIMIT 1)
     WHERE tenants.queue = ?1 AND message_count > 0 ORDER BY last_turn LIMIT 1`,
  );
  const take = db.prepare(
    'UPDATE messages SET visible_at = ?, receipt = ?, receive_count = receive_count + 1 WHERE position = ?',
  );
  const bury = db.prepare(
    'UPDATE messages SET queue = ?, visible_at = 0, receipt = NULL, receive_count = 0 WHERE position = ?',
  );
  const endTurn = db.prepare(
    `UPDATE tenants SET last_turn = (SELECT max(last_turn) + 1 FROM tenants WHERE queue = ?1)
     WHERE queue = ?1 AND tenant = ?2`,
  );
  const extend = db.prepare('UPDATE messages SET visible_at = ? WHERE queue = ? AND receipt = ?');
  const remove = db.prepare('DELETE FROM messages WHERE queue = ? AND receipt = ?');
  const count = db.prepare(
    `SELECT (SELECT total(message_count) FROM tenants WHERE queue = ?1 AND message_count > 0) AS total,
            (SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2) AS in_flight`,
  );
  const waiting = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of waiting) wake();
  };

  /** The next message that may be delivered; those that were delivered too often go to the dead letters. */
  function next(): Row | undefined {
    for (;;) {
      const row = selectNext.get(name, now()) as Row | undefined;
      if (!row || deadLetters === undefined || row.receive_count < maxReceives) return row;
      bury.run(deadLetters, row.position);
    }
  }

  function takeNext(visibilitySeconds: number): QueueMessage | null {
    if (!selectNext.get(name, now())) return null; // a look takes no write lock
    return transaction(db, () => {
      const row = next();
      if (!row) return null;
      const receipt = randomUUID();
      take.run(now() + visibilitySeconds * 1000, receipt, row.position);
      endTurn.run(name, row.tenant);
      return { jobId: row.job_id, tenant: row.tenant, receipt, receiveCount: row.receive_count + 1 };
    });
  }

  const verbs: JobQueue = {
    async send({ jobId, tenant }) {
      insert.run(name, tenant, jobId);
      wakeAll();
    },
    async receive({ visibilitySeconds, waitSeconds, signal }) {
      const deadline = performance.now() + waitSeconds * 1000;
      while (!signal?.aborted) {
        const message = takeNext(visibilitySeconds);
        if (message) return message;
        const left = deadline - performance.now();
        if (left <= 0) break;
        await pause(Math.min(left, LOOK_EVERY_MILLISECONDS), waiting, signal);
      }
      return null;
    },
    async extend(receipt, visibilitySeconds) {
      // A message that is given back is visible even if the clock jumps.
      const visibleAt = visibilitySeconds === 0 ? 0 : now() + visibilitySeconds * 1000;
      const { changes } = extend.run(visibleAt, name, receipt);
      if (visibilitySeconds === 0) wakeAll();
      return changes === 1;
    },
    async delete(receipt) {
      return remove.run(name, receipt).changes === 1;
    },
    async depth() {
      checkUndamaged(db);
      const row = count.get(name, now()) as { total: number; in_flight: number };
      return { visible: row.total - row.in_flight, inFlight: row.in_flight };
    },
  };
  return outwaitingLocks(notingDamage(db, verbs));
}

/** Until the time is over, `waiting` is woken or the signal aborts. */
function pause(milliseconds: number, waiting: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      waiting.delete(end);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    waiting.add(end);
    signal?.addEventListener('abort', end);
  });
}
