import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_SCALING, type FleetView, scaleFleet } from '../../../shared/scaling.ts';
import { createOurs, createQueueLength } from '../../support/fleet-autoscalers.ts';
import { percentile, simulateFleet } from '../../support/fleet-simulator.ts';
import { createTraces } from '../../support/fleet-traces.ts';

const MINUTE = 60;
const idle: FleetView = { at: 0, photos: 0, worth: 0, ready: 0, submitted: 0 };

test('one photo is enough to leave zero, and one worker enough for it', () => {
  expect(scaleFleet(DEFAULT_SCALING, { ...idle, photos: 1, worth: 1, submitted: 1 }, []).workers).toBe(1);
  expect(scaleFleet(DEFAULT_SCALING, idle, []).workers).toBe(0);
});

test('work that the ready workers will have done before others could start needs no others', () => {
  // 24 photos of 12 s: one worker has done them in 288 s, a second would be up after 300 s.
  expect(scaleFleet(DEFAULT_SCALING, { ...idle, photos: 24, worth: 24, ready: 1 }, []).workers).toBe(1);
  expect(scaleFleet(DEFAULT_SCALING, { ...idle, photos: 60, worth: 60, ready: 1 }, []).workers).toBeGreaterThan(1);
});

test('photos are weighed by their work', () => {
  const workers = (photos: number, worth: number) =>
    scaleFleet(DEFAULT_SCALING, { ...idle, photos, worth }, []).workers;
  // 500 that run no network, or take a second each; 60 usual ones; 3 that take ten minutes each: no more than there are.
  expect([workers(500, 0), workers(500, 500 / 12), workers(60, 60), workers(3, 150)]).toEqual([1, 9, 10, 3]);
});

test('always within the limits, one at least where there is work, and none let go too early', () => {
  const seen = fc.record({ photos: fc.nat(500), worth: fc.nat(5000), ready: fc.nat(10), fresh: fc.nat(300) });
  const limits = fc.record({ min: fc.nat(2), max: fc.integer({ min: 2, max: 20 }) });
  fc.assert(
    fc.property(fc.array(seen, { minLength: 1, maxLength: 30 }), limits, (views, { min, max }) => {
      const policy = { ...DEFAULT_SCALING, min, max };
      let samples: Parameters<typeof scaleFleet>[2] = [];
      let submitted = 0;
      const needs: { at: number; needed: number }[] = [];
      for (const [minute, { fresh, ...view }] of views.entries()) {
        const at = minute * MINUTE;
        submitted += fresh;
        const decision = scaleFleet(policy, { at, submitted, ...view }, samples);
        samples = decision.samples;
        needs.push({ at, needed: samples.at(-1)!.needed });
        expect(decision.workers).toBeGreaterThanOrEqual(Math.max(min, view.photos > 0 ? 1 : 0));
        expect(decision.workers).toBeLessThanOrEqual(max);
        const recent = needs.filter((need) => at - need.at <= policy.holdSeconds).map(({ needed }) => needed);
        expect(decision.workers).toBe(Math.max(...recent));
      }
    }),
  );
});

test('a clock that went back forgets readings ahead of it', () => {
  const future = { at: 10_000, submitted: 5, needed: 9 };
  expect(scaleFleet(DEFAULT_SCALING, { ...idle, at: 100 }, [future]).workers).toBe(0);
});

test.each(createTraces(7).map((trace) => [trace.name, trace] as const))(
  '%s: waits are bounded, nothing is left, the fleet goes home and does not flap',
  (_name, trace) => {
    const { secondsPerJob, coldStartSeconds, waitSeconds, max } = DEFAULT_SCALING;
    const fleet = { secondsPerJob, coldStartSeconds, seed: 7 };
    const ours = simulateFleet(trace, fleet, createOurs({}));
    expect(ours).toMatchObject({ unfinished: 0, left: 0 });
    // The scaler looks once a minute; a start takes up to a fifth longer; 200 photos at once are more than `max` can
    // do within the wait.
    const burst = trace.name.startsWith('bursts') ? (200 * secondsPerJob) / max : 0;
    const bound = MINUTE + 1.2 * coldStartSeconds + Math.max(waitSeconds, burst);
    expect(percentile(ours.waits, 0.99)).toBeLessThanOrEqual(bound);
    const usual = simulateFleet(trace, fleet, createQueueLength({}));
    expect(ours.turns).toBeLessThanOrEqual(usual.turns);
    expect(percentile(ours.waits, 0.5)).toBeLessThanOrEqual(percentile(usual.waits, 0.5));
  },
);
