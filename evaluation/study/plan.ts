import { createRandom, type Random } from '../degradation/random.ts';
import type { Task } from './contract.ts';

/** The subject of the questions; votes belong to exactly this. */
export interface Study {
  seed: number;
  /** Names of the models that restored. */
  models: string[];
  pictures: StudyPicture[];
}

export interface StudyPicture {
  name: string;
  /** Of the truth and every restored picture. */
  width: number;
  height: number;
  /** A real photo has none, and is asked about in the second task alone. */
  hasTruth: boolean;
  /** SHA-256 over its files: photo, truth, restored ones. */
  fingerprint: string;
}

/** Index of the model that restored it, or the ground truth. */
export type Candidate = number | 'truth';

export interface Question {
  task: Task;
  /** Index of the picture. */
  picture: number;
  /** From left to right. */
  places: Candidate[];
}

/**
 * The questions of one participant, the same whenever it is called. All of `truth` come first: a participant who has
 * seen every restored picture of a photo would know the truth as the one that is new. Balanced, and drawn within that:
 * - a participant meets every model equally often in `truth` (or one time more), and the truth left as often as right;
 * - as many participants in a row as there are models meet each of them once at every picture.
 */
export function planQuestions(study: Study, participant: number): Question[] {
  const random = createRandom(study.seed, `participant ${participant}`);
  return [...planTruth(study, participant, random), ...planBest(study, random)];
}

function planTruth({ seed, models, pictures }: Study, participant: number, random: Random): Question[] {
  const indexes = pictures.flatMap(({ hasTruth }, index) => (hasTruth ? [index] : []));
  const block = Math.floor(participant / models.length);
  const first = deal(indexes.length, models.length, createRandom(seed, `block ${block}`));
  const truthPlaces = deal(indexes.length, 2, random);
  const questions = indexes.map((picture, index): Question => {
    const model = (first[index]! + participant) % models.length;
    return { task: 'truth', picture, places: truthPlaces[index] === 0 ? ['truth', model] : [model, 'truth'] };
  });
  return shuffle(questions, random);
}

function planBest({ models, pictures }: Study, random: Random): Question[] {
  if (models.length < 2) return [];
  const questions = pictures.map((_, picture): Question => {
    return { task: 'best', picture, places: shuffle([...models.keys()], random) };
  });
  return shuffle(questions, random);
}

/** `count` of the numbers 0 .. kinds − 1, each equally often or once more, in an order that is drawn. */
function deal(count: number, kinds: number, random: Random): number[] {
  // Which of them come once more is drawn as well.
  const order = shuffle([...Array(kinds).keys()], random);
  return shuffle(
    Array.from({ length: count }, (_, index) => order[index % kinds]!),
    random,
  );
}

/** A copy in an order of which every one is equally likely (Fisher and Yates). */
function shuffle<Value>(values: readonly Value[], random: Random): Value[] {
  const shuffled = [...values];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random.uniform() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}
