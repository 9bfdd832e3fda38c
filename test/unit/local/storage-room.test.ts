import { expect, test } from 'vitest';
import { createStorageRoom } from '../../../local/storage-room.ts';
import { outcomeOf } from '../../support/outcome.ts';

function roomOf(free: number, minFreeBytes: number | undefined = 100) {
  const disk = { free, total: 1e12 };
  return { disk, room: createStorageRoom({ directories: ['.'], minFreeBytes, readDisk: async () => disk }) };
}

test('files on their way together leave the reserve, however much each of them found free', async () => {
  const { room, disk } = roomOf(1000);
  const holders = ['a', 'b', 'c', 'd', 'e'];
  const outcomes = await Promise.all(holders.map((holder) => outcomeOf(room.hold(holder, 300))));
  expect(outcomes).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'storage-full', 'storage-full']);
  // Held room is no use of the storage yet: the job that runs goes on.
  await room.check(900);
  disk.free = 99;
  expect(await outcomeOf(room.check())).toBe('storage-full');
});

test('one account holds no more than is left for others', async () => {
  const { room } = roomOf(1100);
  const leave = await room.hold('a', 300);
  await room.hold('a', 300);
  expect(await outcomeOf(room.hold('a', 100))).toBe('storage-full');
  await room.hold('b', 300);
  expect(await outcomeOf(room.hold('b', 100))).toBe('storage-full');
  await room.hold('c', 100);
  expect(await outcomeOf(room.hold('d', 1))).toBe('storage-full');
  leave();
  await room.hold('d', 300);
});

test('without a reserve nothing is refused', async () => {
  const { room } = roomOf(0, 0);
  for (let i = 0; i < 3; i++) await room.hold('a', 1e12);
});
