import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../shared/ports.ts';
import { outcomeOf } from '../support/outcome.ts';

export interface ObjectStoreUnderTest {
  /** Empty. */
  store: ObjectStore;
  /** Of the running HTTP server that relative signed URLs are meant for. */
  origin: string;
  /** Milliseconds since 1970, by the clock that signed requests expire by. */
  now(): number;
  /** Lets so much time pass for that clock; where it is the real one, really. */
  advance(seconds: number): Promise<void>;
  /** A form may be sent again, with another file, until it expires: POST of S3 knows no condition on existing objects. */
  formsRepeat?: true;
  close(): Promise<void>;
}

const PNG = { contentType: 'image/png' };

/** Duties of every ObjectStore, signed requests over real HTTP included. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStoreUnderTest>): void {
  describe(`${name}: object store`, () => {
    let subject: ObjectStoreUnderTest;
    let store: ObjectStore;

    beforeEach(async () => {
      subject = await open();
      store = subject.store;
    });
    afterEach(() => subject.close());

    const put = (key: string, bytes: Uint8Array, options = PNG) => store.put(key, streamOf(bytes), options);
    const textOf = async (key: string, range?: { first: number; last: number }) => {
      const object = await store.get(key, range);
      return object && { text: await new Response(object.body).text(), bytes: object.bytes };
    };

    it('gives back an object that was put, with its type', async () => {
      const bytes = crypto.getRandomValues(new Uint8Array(60_000));
      const big = new Uint8Array(300_000).map((_, i) => bytes[i % bytes.length]!);
      expect(await put('in/acc_one/upl_1', big, { contentType: 'image/svg+xml; charset=utf-8' })).toEqual({
        bytes: 300_000,
      });
      const object = await store.get('in/acc_one/upl_1');
      expect(object).toMatchObject({ bytes: 300_000, contentType: 'image/svg+xml; charset=utf-8' });
      expect(new Uint8Array(await new Response(object!.body).arrayBuffer())).toEqual(big);
      expect(await store.head('in/acc_one/upl_1')).toEqual({
        bytes: 300_000,
        contentType: 'image/svg+xml; charset=utf-8',
      });
    });

    it('keeps an empty object', async () => {
      await put('empty', new Uint8Array());
      expect(await store.head('empty')).toEqual({ bytes: 0, contentType: 'image/png' });
      expect(await textOf('empty')).toEqual({ text: '', bytes: 0 });
      expect(await textOf('empty', { first: 0, last: 99 })).toEqual({ text: '', bytes: 0 });
    });

    it.each([
      [0, 3, '0123'],
      [3, 3, '3'],
      [7, 99, '789'],
      [0, 99, '0123456789'],
      [10, 20, ''],
    ])('reads bytes %i to %i', async (first, last, text) => {
      await put('digits', textBytes('0123456789'));
      expect(await textOf('digits', { first, last })).toEqual({ text, bytes: text.length });
      expect((await store.get('digits', { first, last }))?.contentType).toBe('image/png');
    });

    it('says null of a missing object', async () => {
      await put('in/acc_one/upl_1', textBytes('x'));
      for (const key of ['in/acc_one/upl_2', 'in/acc_one', 'in']) {
        expect(await store.get(key)).toBeNull();
        expect(await store.head(key)).toBeNull();
      }
    });

    it('creates a key once', async () => {
      const writers = Array.from({ length: 10 }, (_, i) => outcomeOf(put('one', textBytes(`writer ${i}`))));
      const outcomes = await Promise.all(writers);
      expect(outcomes.filter((code) => code === 'already-exists')).toHaveLength(9);
      expect((await textOf('one'))?.text).toBe(`writer ${outcomes.indexOf('fulfilled')}`);
    });

    it('takes a repeat of the same bytes for what is there', async () => {
      for (const bytes of [textBytes('one'), new Uint8Array(), new Uint8Array(300_000).fill(7)]) {
        const key = `repeated/${bytes.length}`;
        for (const _ of ['put', 'repeat']) expect(await put(key, bytes)).toEqual({ bytes: bytes.length });
        expect(await outcomeOf(put(key, textBytes('another')))).toBe('already-exists');
        expect((await store.head(key))?.bytes).toBe(bytes.length);
      }
    });

    it('leaves nothing when the body breaks off', async () => {
      let chunks = 0;
      const broken = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (chunks++ < 3) controller.enqueue(new Uint8Array(100_000));
          else controller.error(new Error('the sender went away'));
        },
      });
      await expect(store.put('broken', broken, PNG)).rejects.toThrow();
      expect(await store.head('broken')).toBeNull();
      await put('broken', textBytes('whole'));
      expect((await textOf('broken'))?.text).toBe('whole');
    });

    it('deletes, and again', async () => {
      await put('a/b/c', textBytes('x'));
      await put('a/b/d', textBytes('y'));
      await store.delete('a/b/c');
      await store.delete('a/b/c');
      await store.delete('never/was/there');
      expect(await store.head('a/b/c')).toBeNull();
      expect((await textOf('a/b/d'))?.text).toBe('y');
      await put('a/b/c', textBytes('new'));
      expect((await textOf('a/b/c'))?.text).toBe('new');
    });

    it('survives puts and deletes side by side in one folder', async () => {
      await Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          for (let i = 0; i < 10; i++) {
            await put(`folder/sub/${writer}`, textBytes('x'));
            await store.delete(`folder/sub/${writer}`);
          }
        }),
      );
      expect(await store.head('folder/sub/0')).toBeNull();
    });

    it.each([
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '..',
      'a/../b',
      '../a',
      '.hidden',
      'a/.b',
      'a b',
      'a\\b',
      'ä',
      'a\0',
      'a%2e',
    ])('refuses the key "%s"', async (key) => {
      const signed = { key, contentType: 'image/png', bytes: 1, filename: 'x', expiresAt: subject.now() + 1000 };
      expect(await outcomeOf(put(key, textBytes('x')))).toBe('invalid');
      expect(await outcomeOf(store.get(key))).toBe('invalid');
      expect(await outcomeOf(store.head(key))).toBe('invalid');
      expect(await outcomeOf(store.delete(key))).toBe('invalid');
      expect(await outcomeOf(store.signUpload(signed))).toBe('invalid');
      expect(await outcomeOf(store.signForm(signed))).toBe('invalid');
      expect(await outcomeOf(store.signDownload(signed))).toBe('invalid');
    });

    it('refuses a key of more than 512 characters and takes one of 512', async () => {
      const key = `${'a/'.repeat(255)}ab`;
      await put(key, textBytes('x'));
      expect(await store.head(key)).toMatchObject({ bytes: 1 });
      expect(await outcomeOf(put(`${key}c`, textBytes('x')))).toBe('invalid');
    });

    describe('signed upload', () => {
      const FILE = textBytes('these bytes');
      const sign = (seconds = 60) =>
        store.signUpload({
          key: 'in/acc_one/upl_1',
          contentType: 'image/png',
          bytes: FILE.length,
          expiresAt: subject.now() + seconds * 1000,
        });
      const send = async (
        signed: Awaited<ReturnType<ObjectStore['signUpload']>>,
        changes: { body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string>; method?: string } = {},
      ) => {
        const { method, headers, url } = signed;
        const response = await fetch(new URL(url, subject.origin), { method, headers, body: FILE, ...changes });
        await response.arrayBuffer();
        return response.status;
      };

      it('lets anybody create the object, once', async () => {
        const signed = await sign();
        expect(signed.method).toBe('PUT');
        expect(await send(signed)).toBeLessThan(300);
        expect(await store.head('in/acc_one/upl_1')).toEqual({ bytes: FILE.length, contentType: 'image/png' });
        expect((await textOf('in/acc_one/upl_1'))?.text).toBe('these bytes');
        expect(await send(signed)).toBe(412);
      });

      it('refuses another length, another type and another method', async () => {
        const signed = await sign();
        expect(await send(signed, { body: textBytes('these bytes!') })).toBe(403);
        expect(await send(signed, { body: textBytes('these') })).toBe(403);
        expect(await send(signed, { headers: { ...signed.headers, 'Content-Type': 'text/html' } })).toBe(403);
        expect(await send(signed, { method: 'POST' })).toBeGreaterThanOrEqual(400);
        expect(await store.head('in/acc_one/upl_1')).toBeNull();
      });

      it('refuses another key', async () => {
        const signed = await sign();
        expect(await send({ ...signed, url: signed.url.replace('upl_1', 'upl_2') })).toBe(403);
        expect(await store.head('in/acc_one/upl_2')).toBeNull();
      });

      it('refuses when the time is over', async () => {
        const signed = await sign(2);
        await subject.advance(3);
        expect(await send(signed)).toBe(403);
        expect(await store.head('in/acc_one/upl_1')).toBeNull();
      });
    });

    describe('signed form', () => {
      const FILE = textBytes('these\r\n--bytes\r\n');
      const KEY = 'in/acc_one/upl_1';
      const sign = (seconds = 60) =>
        store.signForm({
          key: KEY,
          contentType: 'image/png',
          bytes: FILE.length,
          expiresAt: subject.now() + seconds * 1000,
        });
      /** As a browser does it. */
      const send = async (
        { method, url, fields }: Awaited<ReturnType<ObjectStore['signForm']>>,
        file: Uint8Array<ArrayBuffer> | null = FILE,
      ) => {
        const body = new FormData();
        for (const [name, value] of Object.entries(fields)) body.append(name, value);
        if (file) body.append('file', new Blob([file], { type: 'text/html' }), 'any name.png');
        const response = await fetch(new URL(url, subject.origin), { method, body });
        await response.arrayBuffer();
        return response.status;
      };

      it('lets anybody create the object, once', async () => {
        const signed = await sign();
        expect(await send(signed)).toBe(201);
        expect(await store.head(KEY)).toEqual({ bytes: FILE.length, contentType: 'image/png' });
        expect((await textOf(KEY))?.text).toBe('these\r\n--bytes\r\n');
        expect(await send(signed)).toBe(201); // the same bytes: an answer may have been lost
        expect(await send(signed, FILE.toReversed())).toBe(subject.formsRepeat ? 201 : 412);
      });

      it('refuses another length, and no file', async () => {
        const signed = await sign();
        for (const file of [textBytes('these bytes and many more of them'), textBytes('these'), textBytes(''), null]) {
          expect(await send(signed, file)).toBe(400);
        }
        expect(await store.head(KEY)).toBeNull();
      });

      it.each(['key', 'content-type', 'policy', 'signature'])('refuses another %s, and none', async (field) => {
        const signed = await sign();
        const name = Object.keys(signed.fields).find((known) => known.toLowerCase().endsWith(field))!;
        const { [name]: value = '', ...others } = signed.fields;
        const other = value.endsWith('1') ? `${value.slice(0, -1)}2` : `${value}x`;
        expect(await send({ ...signed, fields: { ...others, [name]: other } })).toBe(403);
        expect([400, 403]).toContain(await send({ ...signed, fields: others }));
        expect(await store.head(KEY)).toBeNull();
      });

      it('refuses when the time is over', async () => {
        const signed = await sign(2);
        await subject.advance(3);
        expect(await send(signed)).toBe(403);
        expect(await store.head(KEY)).toBeNull();
      });
    });

    describe('signed download', () => {
      const sign = async (seconds = 60, filename = 'my photo.png') =>
        new URL(
          await store.signDownload({ key: 'out/photo', filename, expiresAt: subject.now() + seconds * 1000 }),
          subject.origin,
        );

      it('lets anybody read the object and names the file', async () => {
        await put('out/photo', textBytes('the photo'));
        const response = await fetch(await sign());
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('image/png');
        expect(decodeURIComponent(response.headers.get('content-disposition') ?? '')).toContain('my photo.png');
        expect(await response.text()).toBe('the photo');
      });

      it('tells a request for the headers as much', async () => {
        await put('out/photo', textBytes('the photo'));
        const download = { key: 'out/photo', filename: 'my photo.png', expiresAt: subject.now() + 60_000 };
        const url = new URL(await store.signDownload({ ...download, method: 'HEAD' }), subject.origin);
        const response = await fetch(url, { method: 'HEAD' });
        expect([response.status, response.headers.get('content-length')]).toEqual([200, '9']);
        expect(response.headers.get('content-type')).toBe('image/png');
      });

      it('refuses another key, another method and a late request', async () => {
        await put('out/photo', textBytes('the photo'));
        await put('out/secret', textBytes('secret'));
        const url = await sign(2);
        expect((await fetch(url.href.replace('photo', 'secret'))).status).toBe(403);
        expect((await fetch(url, { method: 'PUT', body: 'x', headers: { 'Content-Type': 'image/png' } })).status).toBe(
          403,
        );
        await subject.advance(3);
        expect((await fetch(url)).status).toBe(403);
      });

      it('finds nothing where nothing is', async () => {
        expect([404, 410]).toContain((await fetch(await sign())).status);
      });
    });
  });
}

function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
}
