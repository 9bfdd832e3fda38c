import type { ModelResult, StudyResult, TaskResult } from './results.ts';
import type { Interval } from './statistics.ts';
import type { Vote } from './vote-store.ts';

const TITLES = {
  truth: 'Which fits the photo better: the ground truth or the restored picture?',
  best: 'Which of the restored pictures is the best?',
};
const RATES = { truth: 'confusion rate', best: 'best rate' };
/** With fewer the interval rests on too little. */
const ENOUGH_PARTICIPANTS = 10;

/** The tables, and how they are to be read. */
export function toMarkdown(result: StudyResult): string {
  const { began, voted, finished } = result.participants;
  const about = `${result.pictures} pictures, seed ${result.seed}. Participants: ${began} began, ${voted} voted, ${finished} finished.`;
  const notes = [
    'Confusion rate: how often the restored picture was taken for the ground truth; 50 % is as good as the truth.',
    'Bootstrap: participants are drawn again, 10,000 times, with all their votes. Wilson: as if all votes were independent.',
    'p: the exact two-sided binomial test against chance, for each model alone, without a correction for several.',
    'Both tell of these pictures; how others would be judged is another question.',
    ...(voted < ENOUGH_PARTICIPANTS
      ? [`Fewer than ${ENOUGH_PARTICIPANTS} participants voted: do not trust the intervals.`]
      : []),
  ];
  return `${[about, ...result.tasks.map(tableOf), notes.join('\n')].join('\n\n')}\n`;
}

function tableOf({ task, chance, answered, unanswered, models }: TaskResult): string {
  const heads = ['model', RATES[task], '95 % (bootstrap)', '95 % (Wilson)', 'votes', 'participants', 'p'];
  const rows = models.map((model) => [
    model.model,
    percent(model.rate),
    range(model.bootstrap),
    range(model.wilson),
    `${model.hits} of ${model.votes}`,
    model.participants,
    probability(model),
  ]);
  const table = [heads, heads.map((_, column) => (column === 0 ? '---' : '---:')), ...rows];
  const counts = `${answered} answers, ${unanswered} unanswered. By chance: ${percent(chance)}.`;
  return `**${TITLES[task]}**\n\n${table.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${counts}`;
}

/** One line a task and model; an empty field where there is no value. */
export function toCsv({ tasks }: StudyResult): string {
  const heads = 'task,model,rate,bootstrap_low,bootstrap_high,wilson_low,wilson_high,hits,votes,participants,chance,p';
  const lines = tasks.flatMap(({ task, chance, models }) =>
    models.map(({ model, rate, bootstrap, wilson, hits, votes, participants, p }) => {
      const ends = [bootstrap?.low, bootstrap?.high, wilson?.low, wilson?.high];
      return csvLine([task, model, rate, ...ends, hits, votes, participants, chance, p]);
    }),
  );
  return `${[heads, ...lines].join('\n')}\n`;
}

/** One line a vote. In `truth` nothing in `chosen` is the truth; places count from 1. */
export function votesToCsv(votes: readonly Vote[]): string {
  const lines = votes.map(({ participant, question, task, picture, model, chosen, place, voted_at }) =>
    csvLine([participant, question, task, picture, model, chosen, place + 1, voted_at]),
  );
  return `${['participant,question,task,picture,model,chosen,place,voted_at', ...lines].join('\n')}\n`;
}

/** RFC 4180. */
function csvLine(fields: readonly (string | number | null | undefined)[]): string {
  const quote = (field: string) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
  return fields.map((field) => quote(String(field ?? ''))).join(',');
}

function percent(rate: number | null): string {
  return rate === null ? '–' : `${(100 * rate).toFixed(1)} %`;
}

function range(interval: Interval | null): string {
  return interval === null ? '–' : `${(100 * interval.low).toFixed(1)} to ${(100 * interval.high).toFixed(1)} %`;
}

function probability({ p }: ModelResult): string {
  if (p === null) return '–';
  return p < 0.0001 ? '< 0.0001' : p.toFixed(4);
}
