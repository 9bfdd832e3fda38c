import { createRandom } from './random.ts';

/** A course of events for the simulated fleets: photos that come, and faults. Seconds since the start. */
export interface Trace {
  name: string;
  seconds: number;
  /** Rising. */
  arrivals: { at: number; isPoison: boolean }[];
  /** Of an instance, by the hour: a spot market that takes it back. */
  killsPerHour: number;
}

const HOUR = 3600;

export function createTraces(seed: number): Trace[] {
  const steady = (random: () => number) => poisson(4 * HOUR, () => 0.1, random);
  return [
    trace('steady 6/min', 4 * HOUR, steady(createRandom(seed))),
    trace(
      'one now and then',
      8 * HOUR,
      poisson(8 * HOUR, () => 1 / 1200, createRandom(seed + 1)),
    ),
    trace('bursts from zero', 4 * HOUR, bursts([600, 2 * HOUR, 2.5 * HOUR], 200)),
    trace('day and night', 24 * HOUR, poisson(24 * HOUR, day, createRandom(seed + 2))),
    trace('poison 2 %', 4 * HOUR, poisoned(steady(createRandom(seed + 3)), createRandom(seed + 4))),
    { ...trace('spot kills', 4 * HOUR, steady(createRandom(seed + 5))), killsPerHour: 1 },
  ];
}

function trace(name: string, seconds: number, arrivals: Trace['arrivals']): Trace {
  return { name, seconds, arrivals, killsPerHour: 0 };
}

/** Nothing for a third of the day, 18 photos a minute at its height. */
function day(at: number): number {
  return Math.max(0, 0.3 * Math.sin((2 * Math.PI * at) / (24 * HOUR) - Math.PI / 3) + 0.05);
}

function bursts(starts: readonly number[], photos: number): Trace['arrivals'] {
  return starts.flatMap((at) => Array.from({ length: photos }, () => ({ at, isPoison: false })));
}

function poisson(seconds: number, perSecond: (at: number) => number, random: () => number): Trace['arrivals'] {
  const arrivals: Trace['arrivals'] = [];
  for (let at = 0; at < seconds; at++) if (random() < perSecond(at)) arrivals.push({ at, isPoison: false });
  return arrivals;
}

function poisoned(arrivals: Trace['arrivals'], random: () => number): Trace['arrivals'] {
  return arrivals.map(({ at }) => ({ at, isPoison: random() < 0.02 }));
}
