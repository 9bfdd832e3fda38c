import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../shared/error.ts';
import { isDatabaseLocked } from '../shared/store-error.ts';

/** Too large to be read at each start; a reader that meets damage in them says so. */
const LARGE = ['jobs', 'ledger', 'uploads', 'idempotency', 'deliveries'];

/** Throws `unavailable` with the first thing that is wrong with pages, indexes or references of the database. */
export function checkDatabase(database: DatabaseSync): void {
  const [problem] = databaseProblems(database);
  if (problem) throw damagedDatabase(problem);
}

/** Before a service works: throws `unavailable` where a table is damaged without which it could take work and never do it. */
export function checkSmallTables(database: DatabaseSync): void {
  for (const table of tablesOf(database).filter((name) => !LARGE.includes(name))) {
    const [problem] = problemsIn(database, `PRAGMA quick_check(${table})`);
    if (problem) throw damagedDatabase(`table ${table}: ${problem}`);
  }
}

/** Problems of pages, indexes, references and rows, in SQLite's words; with the tables that cannot be read. */
export function databaseProblems(database: DatabaseSync): string[] {
  return [
    ...problemsIn(database, 'PRAGMA integrity_check'),
    ...unreadable(database),
    ...attempt(() => {
      const rows = database.prepare('PRAGMA foreign_key_check').all();
      return rows.map(({ table, parent }) => `a row of ${table} belongs to none of ${parent}`);
    }),
  ];
}

function problemsIn(database: DatabaseSync, pragma: string): string[] {
  return attempt(() => {
    const texts = database
      .prepare(pragma)
      .all()
      .flatMap((row) => Object.values(row).map(String));
    return texts.filter((text) => text !== 'ok').map((text) => text.replaceAll('\n', '; '));
  });
}

/** SQLite looks at the content of a row only when it reads the row. */
function unreadable(database: DatabaseSync): string[] {
  return tablesOf(database).flatMap((table) => {
    const problems = attempt(() => {
      for (const _row of database.prepare(`SELECT * FROM ${table}`).iterate());
      return [];
    });
    return problems.map((problem) => `table ${table} cannot be read: ${problem}`);
  });
}

function tablesOf(database: DatabaseSync): string[] {
  const sql = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`;
  try {
    return database
      .prepare(sql)
      .all()
      .map(({ name }) => String(name));
  } catch {
    return []; // The check of all pages tells the problem.
  }
}

function attempt(look: () => string[]): string[] {
  try {
    return look();
  } catch (error) {
    if (isDatabaseLocked(error)) throw error;
    return [(error as Error).message];
  }
}

function damagedDatabase(problem: string): AppError {
  return new AppError('unavailable', `The database is damaged (${problem}): npm run check-data tells more.`);
}
