import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Mode, openAwsMode, openLocalMode } from '../support/both-modes.ts';
import { followList } from '../support/follow-list.ts';
import { startReceiver } from '../support/receiver.ts';
import { PHOTOS, type PhotoName, REQUEST_LIST, type Step } from '../support/request-list.ts';
import { pngOf } from '../support/service.ts';

/** One list of requests to the local mode and to that of AWS: the same answers, and after each the same books. */

let directory: string;
const receivers: { close(): void }[] = [];
const modes: Mode[] = [];
let followers: ReturnType<typeof followList>[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-same-'));
  const sizes = Object.entries(PHOTOS) as [PhotoName, readonly [number, number] | null][];
  const files = sizes.map(async ([name, size]) => [name, size ? await pngOf(...size) : Buffer.from('hello')] as const);
  const photos = Object.fromEntries(await Promise.all(files)) as Record<PhotoName, Uint8Array>;
  const source = { status: 200, headers: { 'content-type': 'image/png' }, body: photos.small };
  const [hook, target, photo] = await Promise.all([startReceiver(204), startReceiver(201), startReceiver(source)]);
  receivers.push(hook, target, photo);
  const hosts = [hook, target, photo].map(({ host }) => host);
  modes.push(await openLocalMode(hosts), await openAwsMode(hosts, directory));
  for (const { service } of modes)
    await service.state.topUp({ account: 'acc_one', amount: 10_000_000, payment: 'first' });
  followers = modes.map((mode) => followList(mode, photos, { hook, target, source: photo }));
});
afterAll(async () => {
  for (const receiver of receivers) receiver.close();
  for (const mode of modes) await mode.close();
  await rm(directory, { recursive: true, force: true });
});

const nameOf = (step: Step) => JSON.stringify(step).slice(0, 120);

it.each(REQUEST_LIST.map((step, number) => [number, nameOf(step), step] as const))(
  '%i: %s',
  async (_number, _name, step) => {
    const [local, aws] = await Promise.all(
      followers.map(async (follower) => ({ answer: await follower.take(step), books: await follower.books() })),
    );
    expect(local!.books.problems).toEqual([]);
    expect(aws).toEqual(local);
  },
);
