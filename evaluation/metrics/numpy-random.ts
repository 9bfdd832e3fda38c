const [SIZE, MIDDLE] = [624, 397];

/** Numbers as NumPy's `RandomState` of the same seed draws them: MT19937 (Matsumoto and Nishimura 1998). */
export interface NumpyRandom {
  /** `randint(bound)`: a whole number from 0 to below `bound`, which is at most 2³². */
  below(bound: number): number;
}

/** `seed`: below 2³². */
export function createNumpyRandom(seed: number): NumpyRandom {
  const state = Uint32Array.of(seed, ...new Array<number>(SIZE - 1));
  for (let index = 1; index < SIZE; index++) {
    const before = state[index - 1]!;
    state[index] = Math.imul(1_812_433_253, before ^ (before >>> 30)) + index;
  }
  let next = SIZE;

  function twist(): void {
    for (let index = 0; index < SIZE; index++) {
      const joined = (state[index]! & 0x8000_0000) | (state[(index + 1) % SIZE]! & 0x7fff_ffff);
      state[index] = state[(index + MIDDLE) % SIZE]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908_b0df : 0);
    }
    next = 0;
  }

  function draw(): number {
    if (next === SIZE) twist();
    let word = state[next++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  return {
    below(bound) {
      const most = bound - 1;
      if (most === 0) return 0;
      const mask = 0xffff_ffff >>> Math.clz32(most);
      for (;;) {
        const drawn = (draw() & mask) >>> 0;
        if (drawn <= most) return drawn;
      }
    },
  };
}
