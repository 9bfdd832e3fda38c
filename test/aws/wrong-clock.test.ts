import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { atSkew, skewDate } from '../support/skewed-clock.ts';
import { openTroubledStores, type TroubledStores } from '../support/troubled-stores.ts';

/**
 * A machine whose clock is wrong. Of the servers only that of S3 looks at the date: as S3 itself, it refuses requests of a
 * quarter of an hour ago or ahead. The SDK then goes by the time in the answer.
 */

let troubled: TroubledStores;
let putRight: () => void;
beforeAll(async () => {
  putRight = skewDate();
  troubled = await openTroubledStores();
});
afterAll(async () => {
  putRight();
  await troubled?.close();
});

const FILE = new TextEncoder().encode('a file');
const TEXT = { contentType: 'text/plain' };
const bodyOf = () => new Blob([FILE]).stream();
let keys = 0;

/** The time in `X-Amz-Date`, in milliseconds. */
function dateIn(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

describe.each([-7 * 24 * 60, -40, -10, 10, 40, 7 * 24 * 60])('a clock that is wrong by %i minutes', (minutes) => {
  const wrongly = <Result>(work: () => Result) => atSkew(() => minutes * 60_000, work);
  /** Signed by a process with this clock, which has asked for nothing but its state. */
  const sign = <Signed>(work: (store: TroubledStores['stores']['objects'], expiresAt: number) => Promise<Signed>) =>
    wrongly(async () => {
      const { state, objects } = troubled.openAnother();
      await state.getAccount('acc_one');
      return work(objects, Date.now() + 60_000);
    });

  it('keeps nobody from objects; S3 refuses the first request, and no other', async () => {
    const { requests } = troubled.proxies.s3;
    const before = requests.length;
    const key = `k${keys++}`;
    await wrongly(async () => {
      const { objects } = troubled.openAnother();
      expect(await objects.put(key, bodyOf(), TEXT)).toEqual({ bytes: FILE.length });
      expect(await objects.head(key)).toEqual({ bytes: FILE.length, ...TEXT });
    });
    const refused = Math.abs(minutes) > 15 ? [403] : [];
    expect(requests.slice(before).map(({ status }) => status)).toEqual([...refused, 200, 200]);
  });

  it('is not in signed requests', async () => {
    const key = `k${keys++}`;
    const upload = await sign((objects, expiresAt) =>
      objects.signUpload({ key, ...TEXT, bytes: FILE.length, expiresAt }),
    );
    expect(Math.abs(dateIn(new URL(upload.url).searchParams.get('X-Amz-Date')!) - Date.now())).toBeLessThan(60_000);
    expect((await fetch(upload.url, { ...upload, body: FILE })).status).toBe(200);
    const url = await sign((objects, expiresAt) => objects.signDownload({ key, filename: 'f', expiresAt }));
    expect(Math.abs(dateIn(new URL(url).searchParams.get('X-Amz-Date')!) - Date.now())).toBeLessThan(60_000);
    expect(await (await fetch(url)).text()).toBe('a file');
    const form = await sign((objects, expiresAt) =>
      objects.signForm({ key: `${key}-form`, ...TEXT, bytes: FILE.length, expiresAt }),
    );
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
    body.append('file', new Blob([FILE]));
    expect((await fetch(form.url, { method: 'POST', body })).status).toBe(201);
  });
});
