import type { Asked } from './asked.ts';
import { begins, changes, ends, isAlone, type StatementHarm } from './harmful-database.ts';
import type { FileHarm } from './harmful-files.ts';
import { BOUNDS, type LocalWorld } from './local-world.ts';
import { type Fault, siteOf } from './world.ts';

/** Harm of SQLite and of the file system to calls, at every call that a local adapter makes. */

type IsHit = (command: string) => boolean;

const all: IsHit = () => true;
/** Extended result codes: SQLITE_IOERR_FSYNC, SQLITE_FULL, SQLITE_READONLY, SQLITE_CANTOPEN. */
const [IO_ERROR, FULL, READ_ONLY, CANNOT_OPEN] = [1034, 13, 8, 14];

const FULL_DATABASE: StatementHarm = { errcode: FULL, keepsTransaction: true };

const OF_DATABASE: Record<string, [IsHit, StatementHarm]> = {
  'is locked by another program': [(command) => begins(command) || isAlone(command), 'locked'],
  'is full': [changes, FULL_DATABASE],
  'has a broken device': [all, { errcode: IO_ERROR }],
  'cannot be opened': [all, { errcode: CANNOT_OPEN }],
  'may not be written': [(command) => begins(command) || isAlone(command), { errcode: READ_ONLY }],
  'does its work and fails': [(command) => ends(command) || isAlone(command), { errcode: IO_ERROR, isDone: true }],
};

const writes: IsHit = (command) => /^(?:open wx|mkdir|link|write|writeFile|sync)\b/.test(command);
const names: IsHit = (command) => /^(?:open|mkdir|link|rm|rmdir)\b/.test(command);
const opens: IsHit = (command) => command.startsWith('open');
/** Longer than anybody waits. */
const milliseconds = 1.5 * BOUNDS.writeMilliseconds;

const OF_FILES: Record<string, [IsHit, FileHarm]> = {
  'have no room': [writes, { code: 'ENOSPC' }],
  'have a broken device': [all, { code: 'EIO' }],
  'get no handles': [opens, { code: 'EMFILE' }],
  'may not be touched': [names, { code: 'EACCES' }],
  'say nothing, and do it late': [all, { milliseconds }],
  'do it, and say so late': [all, { isDone: true, milliseconds }],
  'do their work and fail': [all, { isDone: true, code: 'EIO' }],
};

/** A file is asked for in many calls: less than five minutes pass until all have been hit. */
const ROUND_SECONDS = 10;

/**
 * Tells calls apart by caller, verb of the port, and command; of requests to the API, which have the database for themselves
 * each, but share the files. A repeat after a failure asks for the same again, and is not hit; nor is more than one call of a
 * verb that goes on. So every call is hit, and everything gets through in the end.
 */
function ofPart<Harm>(part: keyof LocalWorld['parts'], [isHit, harm]: [IsHit, Harm]): Fault {
  const callerOf = ({ who }: Asked) => (part === 'files' && /^[A-Z]/.test(who) ? 'API' : who);
  const commandOf = (site: string) => site.slice(site.indexOf(': ') + 2);
  return {
    only: 'local',
    part,
    costsAttempts: part === 'files' || harm === FULL_DATABASE,
    concerns: (site) => isHit(commandOf(site)),
    begin(world, mayHit = () => true) {
      const { place, parts } = world as LocalWorld;
      const names = new Set<string>();
      const runs = new Set<number>();
      const hit = new Set<string>();
      const doHarm = parts[part].doHarm as (next?: (call: { asked: Asked }) => Harm | undefined) => void;
      doHarm(({ asked }) => {
        const site = siteOf(asked);
        const name = `${callerOf(asked)} ${site}`;
        if (!isHit(asked.command) || !mayHit(site) || names.has(name) || runs.has(asked.run)) return undefined;
        names.add(name);
        runs.add(asked.run);
        hit.add(site);
        return harm;
      });
      return {
        place: { ...place, ...(part === 'files' && { roundSeconds: ROUND_SECONDS }) },
        hit,
        end: () => doHarm(),
      };
    },
  };
}

export function atEveryLocalCall(): Record<string, Fault> {
  const of = <Harm>(part: keyof LocalWorld['parts'], label: string, harms: Record<string, [IsHit, Harm]>) =>
    Object.entries(harms).map(([what, harm]) => [`${label} ${what}`, ofPart(part, harm)] as const);
  return Object.fromEntries([...of('database', 'the database', OF_DATABASE), ...of('files', 'files', OF_FILES)]);
}

const LOCK_EVERY_MILLISECONDS = 20;

/** At some moment of a verb, or between two. */
export const LOCKS: Fault = {
  only: 'local',
  begin(world) {
    const { place, parts } = world as LocalWorld;
    const { another } = parts.database;
    const timer = setInterval(() => {
      try {
        another.exec(another.isTransaction ? 'ROLLBACK' : 'BEGIN EXCLUSIVE');
      } catch {
        // the service has it at this moment
      }
    }, LOCK_EVERY_MILLISECONDS);
    const end = () => {
      clearInterval(timer);
      if (another.isTransaction) another.exec('ROLLBACK');
    };
    return { place, end };
  },
};
