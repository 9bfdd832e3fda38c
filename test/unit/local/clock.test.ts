import { expect, test } from 'vitest';
import { type ClockRecord, createClock } from '../../../local/clock.ts';
import { createLog } from '../../../shared/log.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const START = Date.parse('2026-05-01T12:00:00Z');

/** A machine whose parts are moved one by one. */
function machineWith({
  last,
  boot = 'first',
  wall = START,
}: {
  last?: ClockRecord;
  boot?: string;
  wall?: number;
} = {}) {
  const times = { wall, steady: 100, uptime: 5000 };
  const lines: string[] = [];
  const machine = { wall: () => times.wall, steady: () => times.steady, uptime: () => times.uptime, boot };
  const log = createLog('info', (line) => lines.push(line));
  const clock = createClock({ log, last, machine });
  return {
    clock,
    told: () => lines.map((line) => JSON.parse(line).event),
    /** By the clock, in seconds. */
    step: (seconds: number) => {
      times.wall += seconds * 1000;
      clock.now();
    },
    /** A look every so often: ten minutes. */
    run(seconds: number) {
      for (let left = seconds; left > 0; left -= 600) {
        const some = Math.min(left, 600);
        times.wall += some * 1000;
        times.steady += some;
        times.uptime += some;
        clock.now();
      }
    },
    sleep(seconds: number) {
      times.wall += seconds * 1000;
      times.uptime += seconds;
    },
    times,
  };
}

test.each([8 * DAY, 60, -60, -8 * DAY, -56 * 365 * DAY])(
  'a step of %i s that is taken back leaves no trace in time',
  (seconds) => {
    const { clock, step, run, told } = machineWith();
    run(HOUR);
    step(seconds);
    expect(clock.now()).toBe(START + HOUR * 1000);
    run(1800);
    expect(clock.now()).toBe(START + 1.5 * HOUR * 1000);
    expect(told()).toEqual(['clock.stepped']);
    step(-seconds);
    expect(clock.now()).toBe(START + 1.5 * HOUR * 1000);
    expect(told()).toEqual(['clock.stepped', 'clock.right']);
  },
);

test.each([8 * DAY, 60, -60, -8 * DAY])(
  'a step of %i s is followed when the clock has stood for an hour',
  (seconds) => {
    const { clock, step, run, times, told } = machineWith();
    step(seconds);
    run(HOUR - 1);
    expect(clock.now()).toBe(times.wall - seconds * 1000);
    run(1);
    expect(clock.now()).toBe(times.wall);
    expect(told()).toEqual(['clock.stepped', 'clock.followed']);
  },
);

test('each other step begins the hour anew', () => {
  const { clock, step, run, times, told } = machineWith();
  for (const seconds of [DAY, DAY, -4 * DAY]) {
    step(seconds);
    run(HOUR - 1);
  }
  expect(clock.now()).toBe(times.wall + 2 * DAY * 1000);
  run(1);
  expect(clock.now()).toBe(times.wall);
  expect(told()).toEqual([...Array(3).fill('clock.stepped'), 'clock.followed']);
});

test('a clock that is kept right, a leap second and a machine that sleeps make no steps', () => {
  const { clock, step, run, sleep, times, told } = machineWith();
  for (const seconds of [5, -5, 1, -9, 9]) {
    step(seconds);
    run(60);
    expect(clock.now()).toBe(times.wall);
  }
  sleep(9 * HOUR);
  expect(clock.now()).toBe(times.wall);
  expect(told()).toEqual([]);
  expect(clock.isSettled()).toBe(true);
});

test('a new process of the same start of the machine knows the time', () => {
  const before = machineWith();
  const record = before.clock.record();
  const last = { ...record, uptime: record.uptime + 0.2 }; // of a process that was held up between two readings
  for (const seconds of [8 * DAY, -8 * DAY]) {
    const { clock, told } = machineWith({ last, wall: START + seconds * 1000 });
    expect(clock.now()).toBe(START - 200);
    expect(clock.isSettled()).toBe(true);
    expect(told()).toEqual(['clock.stepped']);
  }
});

test('a container that has run for less than the last process is another', () => {
  const last = machineWith().clock.record();
  const { clock } = machineWith({ last: { ...last, uptime: last.uptime + 60 }, wall: START + DAY * 1000 });
  expect(clock.now()).toBe(START + DAY * 1000);
  expect(clock.isSettled()).toBe(false);
});

test('after a start of the machine its clock is followed, back only to the last time, and nothing is erased for an hour', () => {
  const last = { time: START, uptime: 90_000, boot: 'before' };
  const { clock, step, run, times, told } = machineWith({ last, wall: Date.parse('1970-01-01') });
  expect(clock.now()).toBe(START);
  run(600);
  expect(clock.now()).toBe(START + 600_000);
  times.wall = START + 30 * DAY * 1000;
  expect(clock.now()).toBe(times.wall);
  run(HOUR - 1);
  expect(clock.isSettled()).toBe(false);
  step(-20 * DAY);
  expect(clock.now()).toBe(times.wall);
  run(HOUR - 1);
  expect(clock.isSettled()).toBe(false);
  run(1);
  expect(clock.isSettled()).toBe(true);
  expect(told()).toEqual(['clock.unsettled', ...Array(3).fill('clock.stepped')]);
});
