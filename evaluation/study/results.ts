import type { Task } from './contract.ts';
import { planQuestions, type Study } from './plan.ts';
import { binomialTest, type Cluster, clusterBootstrap, type Interval, wilsonInterval } from './statistics.ts';
import type { Vote } from './vote-store.ts';

export interface ModelResult {
  model: string;
  hits: number;
  votes: number;
  participants: number;
  /** Null without votes. */
  rate: number | null;
  /** 95 %; null where there are no votes, for the bootstrap also with one participant. */
  bootstrap: Interval | null;
  wilson: Interval | null;
  /** Against chance; null without votes. */
  p: number | null;
}

export interface TaskResult {
  task: Task;
  /** The rate of blind guesses. */
  chance: number;
  answered: number;
  unanswered: number;
  models: ModelResult[];
}

export interface StudyResult {
  seed: number;
  pictures: number;
  participants: {
    /** Opened the first question. */
    began: number;
    voted: number;
    finished: number;
  };
  tasks: TaskResult[];
}

/**
 * Confusion rates (how often a restored picture was taken for the truth) and best rates (how often it was the best of
 * all), as Table 4 of the paper of SeeSR. `began`: participants, also those without a vote.
 */
export function summarizeVotes(study: Study, began: number, votes: readonly Vote[]): StudyResult {
  const planned = Array.from({ length: began }, (_, participant) => planQuestions(study, participant));
  const answers = Map.groupBy(votes, ({ participant }) => participant);
  const finished = planned.filter((questions, participant) => answers.get(participant)?.length === questions.length);
  const tasks = (['truth', 'best'] as const).map((task): TaskResult => {
    const asked = planned.flat().filter((question) => question.task === task).length;
    const given = votes.filter((vote) => vote.task === task);
    const chance = task === 'truth' ? 1 / 2 : 1 / study.models.length;
    const models = study.models.map((model) => {
      const about = task === 'truth' ? given.filter((vote) => vote.model === model) : given;
      return summarizeModel(model, about, chance, study.seed);
    });
    return { task, chance, answered: given.length, unanswered: asked - given.length, models };
  });
  return {
    seed: study.seed,
    pictures: study.pictures.length,
    participants: { began, voted: answers.size, finished: finished.length },
    tasks: tasks.filter(({ answered, unanswered }) => answered + unanswered > 0),
  };
}

function summarizeModel(model: string, votes: readonly Vote[], chance: number, seed: number): ModelResult {
  const clusters = [...Map.groupBy(votes, ({ participant }) => participant).values()].map((own): Cluster => {
    return { hits: own.filter(({ chosen }) => chosen === model).length, votes: own.length };
  });
  const hits = clusters.reduce((sum, cluster) => sum + cluster.hits, 0);
  const counts = { model, hits, votes: votes.length, participants: clusters.length };
  if (votes.length === 0) return { ...counts, rate: null, bootstrap: null, wilson: null, p: null };
  return {
    ...counts,
    rate: hits / votes.length,
    bootstrap: clusterBootstrap(clusters, seed) ?? null,
    wilson: wilsonInterval(hits, votes.length),
    p: binomialTest(hits, votes.length, chance),
  };
}
