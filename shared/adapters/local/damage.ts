import type { DatabaseSync } from 'node:sqlite';
import { isDatabaseDamaged } from '../../store-error.ts';

/** The first damaged page that was met, of each database. */
const met = new WeakMap<DatabaseSync, unknown>();

type Verb = (...values: never[]) => Promise<unknown>;

/** The same verbs; damage that one of them meets is remembered. */
export function notingDamage<Verbs extends { [Name in keyof Verbs]: Verb }>(db: DatabaseSync, verbs: Verbs): Verbs {
  const noting = Object.entries<Verb>(verbs).map(([name, verb]) => {
    const noted = async (...values: never[]) => {
      try {
        return await verb(...values);
      } catch (error) {
        if (isDatabaseDamaged(error) && !met.has(db)) met.set(db, error);
        throw error;
      }
    };
    return [name, noted];
  });
  return Object.fromEntries(noting);
}

/** Throws the error of SQLite: work that another damaged table keeps from being done would be taken for nothing. */
export function checkUndamaged(db: DatabaseSync): void {
  if (met.has(db)) throw met.get(db);
}
