import type { DatabaseSync } from 'node:sqlite';
import type { AnyMethodId } from '../../methods/registry.ts';
import { type Pace, type Paces, withSample } from '../../pace.ts';
import type { StateStore } from '../../ports.ts';
import { transaction } from './database.ts';

export function createSqlitePaces(db: DatabaseSync, now: () => number): Pick<StateStore, 'getPaces' | 'recordPace'> {
  const selectAll = db.prepare('SELECT model, data FROM paces');
  const replace = db.prepare('INSERT OR REPLACE INTO paces (model, data) VALUES (?, ?)');
  const read = (): Paces => {
    const rows = selectAll.all() as { model: AnyMethodId; data: string }[];
    return Object.fromEntries(rows.map(({ model, data }) => [model, JSON.parse(data) as Pace]));
  };
  return {
    getPaces: async () => read(),
    async recordPace(model, sample) {
      transaction(db, () => replace.run(model, JSON.stringify(withSample(read()[model], sample, now()))));
    },
  };
}
