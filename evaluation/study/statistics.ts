import { createRandom } from '../degradation/random.ts';
import { logGamma } from '../metrics/gamma.ts';

/** Both ends belong to it. */
export interface Interval {
  low: number;
  high: number;
}

/** The votes of one participant on one question of the study: how many there are, and how many of them count. */
export interface Cluster {
  hits: number;
  votes: number;
}

const CONFIDENCE = 0.95;
/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;
const RESAMPLES = 10_000;

/** 95 %, as if all votes were independent (Wilson 1927). */
export function wilsonInterval(hits: number, votes: number): Interval {
  const rate = hits / votes;
  const center = rate + Z ** 2 / (2 * votes);
  const half = Z * Math.sqrt((rate * (1 - rate)) / votes + Z ** 2 / (4 * votes ** 2));
  const scale = 1 + Z ** 2 / votes;
  return { low: Math.max(0, (center - half) / scale), high: Math.min(1, (center + half) / scale) };
}

/**
 * 95 % for Σhits / Σvotes, where votes of one participant belong together: participants are drawn again, with all their
 * votes. The percentiles are those of Hesterberg's expanded bootstrap (2015, "What Teachers Should Know About the
 * Bootstrap", section 5.3), which for few participants are further out than 2.5 and 97.5 %. Undefined for a single one.
 */
export function clusterBootstrap(
  clusters: readonly Cluster[],
  seed: number,
  resamples = RESAMPLES,
): Interval | undefined {
  const count = clusters.length;
  if (count < 2) return undefined;
  const random = createRandom(seed, 'bootstrap');
  const rates = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let [hits, votes] = [0, 0];
    for (let draw = 0; draw < count; draw++) {
      const cluster = clusters[Math.floor(random.uniform() * count)]!;
      hits += cluster.hits;
      votes += cluster.votes;
    }
    rates[resample] = hits / votes;
  }
  rates.sort();
  const tail = normalTail(Math.sqrt(count / (count - 1)) * studentQuantile(count - 1));
  const position = Math.round(tail * (resamples - 1));
  return { low: rates[position]!, high: rates[resamples - 1 - position]! };
}

/**
 * How likely a result at least as unlikely as this one is, were each vote a hit by chance alone: the exact two-sided
 * binomial test, which adds up all results that are not more likely (as `binom.test` of R and `binomtest` of SciPy do).
 */
export function binomialTest(hits: number, votes: number, chance: number): number {
  const probability = (count: number) =>
    Math.exp(
      logGamma(votes + 1) -
        logGamma(count + 1) -
        logGamma(votes - count + 1) +
        count * Math.log(chance) +
        (votes - count) * Math.log1p(-chance),
    );
  // Equally likely ones, as the mirrored result at 1/2, differ by rounding alone.
  const bound = probability(hits) * (1 + 1e-7);
  let sum = 0;
  for (let count = 0; count <= votes; count++) {
    const each = probability(count);
    if (each <= bound) sum += each;
  }
  return Math.min(1, sum);
}

/** P(X > x) of the normal distribution. */
function normalTail(x: number): number {
  return 0.5 - integrate((t) => Math.exp(-(t ** 2) / 2) / Math.sqrt(2 * Math.PI), x);
}

/** The 97.5 % quantile of Student's distribution. */
function studentQuantile(freedom: number): number {
  const scale = Math.exp(logGamma((freedom + 1) / 2) - logGamma(freedom / 2)) / Math.sqrt(freedom * Math.PI);
  const density = (t: number) => scale * (1 + t ** 2 / freedom) ** (-(freedom + 1) / 2);
  // 12.7 with one degree of freedom, less with more.
  let [low, high] = [0, 20];
  for (let halving = 0; halving < 40; halving++) {
    const middle = (low + high) / 2;
    if (integrate(density, middle) < CONFIDENCE / 2) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** From 0 to `end`, by Simpson's rule. */
function integrate(density: (t: number) => number, end: number): number {
  const steps = 400;
  let sum = density(0) + density(end);
  for (let step = 1; step < steps; step++) sum += (step % 2 === 1 ? 4 : 2) * density((step / steps) * end);
  return (sum * end) / steps / 3;
}
