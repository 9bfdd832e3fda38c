import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../shared/error.ts';
import type { Task } from './contract.ts';
import type { Study } from './plan.ts';

const FILE = 'study.sqlite';
const BUSY_MILLISECONDS = 5_000;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS study (one INTEGER PRIMARY KEY CHECK (one = 1), data TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS participants (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS votes (
    participant INTEGER NOT NULL REFERENCES participants (number),
    question INTEGER NOT NULL,
    task TEXT NOT NULL,
    picture TEXT NOT NULL,
    model TEXT,
    chosen TEXT,
    place INTEGER NOT NULL,
    voted_at TEXT NOT NULL,
    PRIMARY KEY (participant, question)
  ) STRICT;
`;

export interface Vote {
  /** Numbers count from 0 in the order in which people began. */
  participant: number;
  /** Position in the participant's plan. */
  question: number;
  task: Task;
  picture: string;
  /** In `truth` the model that was shown beside the truth; null in `best`. */
  model: string | null;
  /** The model whose picture was chosen; null for the truth. */
  chosen: string | null;
  /** Where that picture was, from 0 on. */
  place: number;
  /** ISO 8601. */
  voted_at: string;
}

export interface VoteStore {
  /** The study of the stored votes; undefined before `begin`. */
  study(): Study | undefined;
  /** Makes it the study of this folder. Throws AppError `conflict` when it is that of another one. */
  begin(study: Study): void;
  /** The participant's number; the first call makes one. */
  join(id: string): number;
  /** Undefined for an id that nobody has. */
  find(id: string): number | undefined;
  /** How many began, also without a vote. */
  countParticipants(): number;
  /** How many questions a participant has answered: these are the first ones. */
  countVotes(participant: number): number;
  /**
   * Stores the answer to the next question; the same answer again changes nothing. Throws AppError `conflict` for
   * another answer to one that is answered, and for a question that is not the next.
   */
  add(vote: Vote): void;
  /** Takes the last answer back; one that is not there stays so. Throws AppError `conflict` for an earlier one. */
  remove(participant: number, question: number): void;
  /** By participant and question. */
  votes(): Vote[];
  close(): void;
}

/** Votes of one folder. A vote survives a crash of the process and of the machine once `add` has returned. */
export function openVoteStore(directory: string): VoteStore {
  mkdirSync(directory, { recursive: true });
  const db = new DatabaseSync(join(directory, FILE), { timeout: BUSY_MILLISECONDS });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; ${SCHEMA}`);
  const atOnce = <Result>(work: () => Result) => transaction(db, work);
  const readStudy = db.prepare('SELECT data FROM study');
  const readVote = db.prepare('SELECT * FROM votes WHERE participant = ? AND question = ?');
  const countVotes = db.prepare('SELECT count(*) AS count FROM votes WHERE participant = ?');
  const findNumber = db.prepare('SELECT number FROM participants WHERE id = ?');

  const store: VoteStore = {
    study() {
      const row = readStudy.get() as { data: string } | undefined;
      return row && (JSON.parse(row.data) as Study);
    },
    begin: (study) =>
      atOnce(() => {
        const data = JSON.stringify(study);
        const row = readStudy.get() as { data: string } | undefined;
        if (row === undefined) db.prepare('INSERT INTO study VALUES (1, ?)').run(data);
        else if (row.data !== data) {
          throw new AppError(
            'conflict',
            `${directory} has votes on other pictures, models or another seed: go on with the same, or take another --out.`,
          );
        }
      }),
    join: (id) =>
      atOnce(() => {
        const insert = 'INSERT OR IGNORE INTO participants SELECT count(*), ? FROM participants';
        db.prepare(insert).run(id);
        return store.find(id)!;
      }),
    find: (id) => (findNumber.get(id) as { number: number } | undefined)?.number,
    countParticipants: () => (db.prepare('SELECT count(*) AS count FROM participants').get() as unknown as Count).count,
    countVotes: (participant) => (countVotes.get(participant) as unknown as Count).count,
    add: (vote) =>
      atOnce(() => {
        const { participant, question } = vote;
        const earlier = readVote.get(participant, question) as Vote | undefined;
        if (earlier?.place === vote.place) return;
        const next = store.countVotes(participant);
        if (earlier || question !== next) {
          const rule = earlier ? 'is answered already' : `is not the next one, which is ${next}`;
          throw new AppError('conflict', `Question ${question} ${rule}.`);
        }
        const { task, picture, model, chosen, place, voted_at } = vote;
        const insert = db.prepare('INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
        insert.run(participant, question, task, picture, model, chosen, place, voted_at);
      }),
    remove: (participant, question) =>
      atOnce(() => {
        const last = store.countVotes(participant) - 1;
        if (question < last) throw new AppError('conflict', `Only the last answer, ${last}, can be taken back.`);
        db.prepare('DELETE FROM votes WHERE participant = ? AND question = ?').run(participant, question);
      }),
    votes: () => db.prepare('SELECT * FROM votes ORDER BY participant, question').all() as unknown as Vote[],
    close: () => db.close(),
  };
  return store;
}

interface Count {
  count: number;
}

/** As one transaction that takes the write lock at once: two that both read first could else wait for one another. */
function transaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
