import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type Asked, asksNow } from './asked.ts';

/**
 * The fate of a statement: another program has the lock, which SQLite finds out itself; it is refused with this extended
 * result code; or its work is done, and it ends with this code all the same. `keepsTransaction`: SQLite ends it by itself
 * at most errors (lang_transaction.html, "Response To Errors Within A Transaction"), and at some not.
 */
export type StatementHarm = 'locked' | { errcode: number; isDone?: true; keepsTransaction?: true };

/** Its command is the text of the statement; where it is a transaction by itself, that is said. */
interface StatementCall {
  asked: Asked;
}

const ALONE = ' (alone)';
/** Always ends the transaction. */
const ROLLBACK = 'ROLLBACK';

/** Which of these may be harmed at all: by the command of a call. */
export const begins = (command: string): boolean => command === 'BEGIN IMMEDIATE';
export const ends = (command: string): boolean => command === 'COMMIT';
export const changes = (command: string): boolean => /^(?:INSERT|UPDATE|DELETE|COMMIT)\b/.test(command);
export const isAlone = (command: string): boolean => command.endsWith(ALONE);

/** A handle of the same database, of which statements that ports ask for come to harm; and the other program. */
export function harmDatabase(db: DatabaseSync) {
  const another = new DatabaseSync(db.location()!, { timeout: 0 });
  let harmOf: (call: StatementCall) => StatementHarm | undefined = () => undefined;

  function during<Result>(sql: string, work: () => Result): Result {
    const asked = asksNow();
    if (!asked || sql === ROLLBACK) return work();
    const text = sql.replace(/\s+/g, ' ');
    const command = !db.isTransaction && changes(text) ? text + ALONE : text;
    const harm = harmOf({ asked: { ...asked, command } });
    if (!harm) return work();
    if (harm === 'locked') return locked(work);
    if (harm.isDone) work();
    if (db.isTransaction && !harm.keepsTransaction) db.exec(ROLLBACK);
    const { errcode } = harm;
    throw Object.assign(new Error(`harm, ${errcode}`), { code: 'ERR_SQLITE_ERROR', errcode, errstr: 'harm' });
  }

  function locked<Result>(work: () => Result): Result {
    another.exec('BEGIN EXCLUSIVE');
    try {
      return work();
    } finally {
      another.exec(ROLLBACK);
    }
  }

  const statement = (sql: string): StatementSync =>
    override(db.prepare(sql), (name, own) => {
      const isRun = ['run', 'get', 'all', 'iterate'].includes(name);
      return isRun ? (...values) => during(sql, () => own(...values)) : own;
    });

  return {
    handle: override(db, (name, own) => {
      if (name === 'prepare') return (sql) => statement(sql as string);
      return name === 'exec' ? (sql) => during(sql as string, () => own(sql)) : own;
    }),
    doHarm(next: typeof harmOf = () => undefined): void {
      harmOf = next;
    },
    another,
  };
}

type Method = (...values: unknown[]) => unknown;

/** The same object, of which methods are others. */
function override<Native extends object>(native: Native, methodOf: (name: string, own: Method) => Method): Native {
  return new Proxy(native, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name);
      return typeof own === 'function' ? methodOf(String(name), own.bind(target)) : own;
    },
  });
}
