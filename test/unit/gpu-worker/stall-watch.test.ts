import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchForStall } from '../../../gpu-worker/stall-watch.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a stall', () => {
  it('is no progress in time', () => {
    const onStall = vi.fn();
    let clock = 0;
    const { expectProgressWithin } = watchForStall(onStall, () => clock);
    expectProgressWithin(10);
    clock = 9_000;
    vi.advanceTimersByTime(9_000);
    expectProgressWithin(10);
    clock = 18_999;
    vi.advanceTimersByTime(9_999);
    expect(onStall).not.toHaveBeenCalled();
    clock = 19_000;
    vi.advanceTimersByTime(1);
    expect(onStall).toHaveBeenCalledOnce();
  });

  it.each([1_001, 60_000, 86_400_000])('is not that the process itself stood still, for %i ms', (still) => {
    const onStall = vi.fn();
    let clock = 0;
    const { expectProgressWithin, end } = watchForStall(onStall, () => clock);
    expectProgressWithin(10);
    clock = 10_000 + still; // such timers run at once when it goes on
    vi.advanceTimersByTime(10_000);
    expect(onStall).not.toHaveBeenCalled();
    clock += 10_000;
    vi.advanceTimersByTime(10_000);
    expect(onStall).toHaveBeenCalledOnce();
    end();
    expect(vi.getTimerCount()).toBe(0);
  });
});
