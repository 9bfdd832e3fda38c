import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { planQuestions, type Study } from '../../../../evaluation/study/plan.ts';
import { binomialTest, clusterBootstrap, wilsonInterval } from '../../../../evaluation/study/statistics.ts';
import { openVoteStore, type Vote } from '../../../../evaluation/study/vote-store.ts';
import { createRandom } from '../../../support/random.ts';

const MODELS = ['a', 'b', 'c'];
const study: Study = {
  seed: 5,
  models: MODELS,
  pictures: Array.from({ length: 10 }, (_, index) => {
    return { name: `p${index}`, width: 4, height: 4, hasTruth: index < 8, fingerprint: '' };
  }),
};

/** Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3. */
test.each([
  [81, 263, 0.2553, 0.3662],
  [15, 148, 0.0624, 0.1605],
  [0, 20, 0, 0.1611],
  [1, 29, 0.0061, 0.1718],
])('Wilson of %i in %i', (hits, votes, low, high) => {
  const interval = wilsonInterval(hits, votes);
  expect(interval.low).toBeCloseTo(low, 4);
  expect(interval.high).toBeCloseTo(high, 4);
});

/** Sums of whole numbers: e.g. 10 heads at most one: (1 + 10) / 2¹⁰, and as much on the other side. */
test.each([
  [1, 10, 1 / 2, 22 / 1024],
  [5, 10, 1 / 2, 1],
  // One side alone: no result on the other is as unlikely as 1/81.
  [4, 4, 1 / 3, 1 / 81],
  [0, 4, 1 / 3, (16 + 8 + 1) / 81],
  [40, 100, 1 / 2, 0.056888],
])('the binomial test of %i in %i', (hits, votes, chance, p) => {
  expect(binomialTest(hits, votes, chance)).toBeCloseTo(p, 6);
});

/** Each participant has a rate of their own, so votes depend on one another: 0.3 is the mean of 0.1 and 0.5. */
test('95 % of bootstrap intervals hold the true rate, of plain ones fewer', () => {
  const random = createRandom(1);
  const [runs, participants, votes] = [250, 16, 20];
  const covered = { bootstrap: 0, wilson: 0 };
  for (let run = 0; run < runs; run++) {
    const clusters = Array.from({ length: participants }, () => {
      const rate = random() < 0.5 ? 0.1 : 0.5;
      return { hits: Array.from({ length: votes }, random).filter((drawn) => drawn < rate).length, votes };
    });
    const hits = clusters.reduce((sum, cluster) => sum + cluster.hits, 0);
    const intervals = {
      bootstrap: clusterBootstrap(clusters, run, 1000)!,
      wilson: wilsonInterval(hits, participants * votes),
    };
    for (const kind of ['bootstrap', 'wilson'] as const) {
      const { low, high } = intervals[kind];
      if (low <= 0.3 && 0.3 <= high) covered[kind]++;
    }
  }
  // Four standard errors of a share of 250 runs are 0.055.
  expect(covered.bootstrap / runs).toBeGreaterThan(0.895);
  expect(covered.wilson / runs).toBeLessThan(0.8);
});

test('the same seed, the same interval; one participant has none', () => {
  const clusters = [0, 1, 2, 3, 4].map((hits) => ({ hits, votes: 4 }));
  expect(clusterBootstrap(clusters, 7)).toEqual(clusterBootstrap(clusters, 7));
  expect(clusterBootstrap(clusters.slice(0, 1), 7)).toBeUndefined();
});

test('a plan is balanced, and the truth of a photo comes before all that was restored of it', () => {
  for (let participant = 0; participant < 12; participant++) {
    const questions = planQuestions(study, participant);
    expect(questions).toEqual(planQuestions(study, participant));
    expect(questions.map(({ task }) => task)).toEqual([...Array(8).fill('truth'), ...Array(10).fill('best')]);
    const truths = questions.slice(0, 8);
    expect(truths.filter(({ places }) => places[0] === 'truth')).toHaveLength(4);
    const met = MODELS.map((_, model) => truths.filter(({ places }) => places.includes(model)).length);
    expect(met.toSorted()).toEqual([2, 3, 3]);
  }
  const met = [0, 1, 2].flatMap((participant) => planQuestions(study, participant).slice(0, 8));
  const pairs = new Set(met.map(({ picture, places }) => `${picture} ${places.find((place) => place !== 'truth')}`));
  expect(pairs.size).toBe(8 * MODELS.length);

  const many = Array.from({ length: 90 }, (_, participant) => planQuestions(study, participant));
  const best = many.flat().filter(({ task }) => task === 'best');
  const firsts = many.map((questions) => questions[0]!.picture);
  // 900 questions: 300 each, ± 4 standard deviations of 14; 90 first ones: 11.25 each, ± 4 of 3.1.
  for (const model of MODELS.keys()) {
    const left = best.filter(({ places }) => places[0] === model).length;
    expect(Math.abs(left - 300)).toBeLessThan(57);
  }
  for (let picture = 0; picture < 8; picture++) {
    const count = firsts.filter((first) => first === picture).length;
    expect(Math.abs(count - 11.25)).toBeLessThan(12.5);
    expect(count).toBeGreaterThan(0);
  }
});

test('a vote counts once, in its turn, and the last one can be taken back', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-study-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const store = openVoteStore(directory);
  store.begin(study);
  store.begin(study);
  expect(() => store.begin({ ...study, seed: 6 })).toThrow('another --out');
  const participant = store.join('somebody');
  expect([participant, store.join('else'), store.join('somebody')]).toEqual([0, 1, 0]);
  const vote: Vote = {
    participant,
    question: 0,
    task: 'best',
    picture: 'p0',
    model: null,
    chosen: 'a',
    place: 1,
    voted_at: '',
  };
  store.add(vote);
  store.add(vote);
  expect(store.votes()).toEqual([vote]);
  expect(() => store.add({ ...vote, place: 0 })).toThrow('answered already');
  expect(() => store.add({ ...vote, question: 2 })).toThrow('not the next one, which is 1');
  store.add({ ...vote, question: 1 });
  expect(() => store.remove(participant, 0)).toThrow('Only the last answer, 1,');
  store.remove(participant, 1);
  store.remove(participant, 1);
  store.close();
  const again = openVoteStore(directory);
  expect([again.study(), again.countVotes(participant), again.countParticipants()]).toEqual([study, 1, 2]);
  again.close();
});
