import sharp from 'sharp';
import { LOCAL_ACCOUNT } from '../../local/account.ts';
import type { JobView } from '../../shared/api.ts';
import type { Problem } from '../../shared/error.ts';
import { MAX_INLINE_BYTES } from '../../shared/limits.ts';
import { outputSize } from '../../shared/output-size.ts';
import { createTestClient, type TestClient } from '../support/client.ts';
import { createClock } from '../support/clock.ts';
import { openLocalStores } from '../support/local-stores.ts';
import { pick } from '../support/mutations-metadata.ts';
import type { ServiceProcess } from '../support/service-process.ts';

/** The outcome of one file. */
export interface Result {
  /** `succeeded`, `failed: CODE` or `refused: CODE`. */
  outcome: string;
  /** In micro-units. */
  charged: number;
  /** That a worker had it. */
  seconds: number;
}

/** In micro-units, of the account with the live key. */
export const MONEY = 1_000_000_000;

/** Files that break a rule, or that no decoder can read. All other codes are faults of ours. */
const FAILURES = [
  'unsupported-media-type',
  'image-unreadable',
  'image-too-large',
  'output-too-large',
  'hdr-unsupported',
];
/** Permitted ends of a result of noise when a network has run: no fault of the service, and not charged. */
const LIVE_FAILURES = [...FAILURES, 'output-rejected'];

const POLL_MILLISECONDS = 200;

interface Sender {
  client: TestClient;
  isLive: boolean;
  erase(jobId: string): Promise<void>;
}

/** With a live key, which pays, and with one of test mode. */
export async function openSenders({ url, firstKey = '' }: ServiceProcess, directory: string) {
  const { state, database } = openLocalStores(directory, createClock(Date.now()));
  await state.topUp({ account: LOCAL_ACCOUNT, amount: MONEY, payment: 'seed' });
  database.close();
  const senderOf = (key: string, isLive: boolean): Sender => ({
    client: createTestClient(url, key),
    isLive,
    async erase(id) {
      const response = await fetch(`${url}/v1/jobs/${id}`, { method: 'DELETE', headers: { 'x-api-key': key } });
      if (response.status !== 204) throw new Error(`DELETE ${id}: ${response.status} ${await response.text()}`);
    },
  });
  const live = senderOf(firstKey, true);
  const { key } = await live.client.post<{ key: string }>('/v1/keys', { name: 'test', test: true });
  return { live, test: senderOf(key, false) };
}

/** The job after its file, before it, and with it. */
const WAYS = ['after', 'before', 'inline'] as const;

interface Choices {
  way: (typeof WAYS)[number];
  parameters: { scale: number; format: string; metadata: string; live_previews: boolean };
}

export function choose(random: () => number): Choices {
  const scale = random() < 0.8 ? 4 : 1;
  const format = pick(['png', 'jpeg', 'webp', 'tiff'], random);
  const metadata = pick(['keep', 'strip_location', 'strip'], random);
  return { way: pick(WAYS, random), parameters: { scale, format, metadata, live_previews: random() < 0.2 } };
}

/** The whole way of one file, until the job is erased. Throws where anything is not as documented. */
export async function sendOne(file: Buffer, { client, isLive, erase }: Sender, choices: Choices): Promise<Result> {
  const answer = await submit(file, client, choices);
  if ('code' in answer) {
    if (answer.charged || !FAILURES.includes(answer.code)) throw new Error(`refused: ${JSON.stringify(answer)}`);
    return { outcome: `refused: ${answer.code}`, charged: 0, seconds: 0 };
  }
  const end = await client.end(answer.id, POLL_MILLISECONDS);
  if (end.attempt > 1) throw new Error(`${end.attempt} attempts: ${JSON.stringify(end)}`);
  const charged = checkEnd(end, isLive);
  if (end.status === 'succeeded') await checkOutput(await client.output(end.id), end, choices);
  await erase(end.id);
  const { status, error, started_at, finished_at } = end;
  const seconds = started_at && finished_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : 0;
  return { outcome: error ? `failed: ${error.code}` : status, charged, seconds };
}

async function submit(file: Buffer, client: TestClient, { way, parameters }: Choices): Promise<JobView | Problem> {
  const bytes = new Uint8Array(file);
  const post = (input: object) =>
    client.post<JobView | Problem>('/v1/jobs', { input, model: 'real-esrgan-fast', ...parameters });
  if (way === 'inline' && bytes.length <= MAX_INLINE_BYTES) return await post({ base64: file.toString('base64') });
  if (way !== 'before') return await post({ upload_id: await client.upload(bytes) });
  const json = { bytes: bytes.length, content_type: 'image/png' };
  const upload = await client.json<Announced>('/v1/uploads', { method: 'POST', body: JSON.stringify(json) });
  const answer = await post({ upload_id: upload.id });
  const sent = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: bytes });
  if (!sent.ok) throw new Error(`the file is answered with ${sent.status}`);
  return answer;
}

interface Announced {
  id: string;
  url: string;
  headers: Record<string, string>;
}

/** Returns the charge. */
function checkEnd({ status, error, charge }: JobView, isLive: boolean): number {
  const { state, amount } = charge;
  if (status === 'succeeded' && state === 'captured' && (isLive || amount === 0)) return amount;
  const isAllowed = error && (isLive ? LIVE_FAILURES : FAILURES).includes(error.code);
  if (status === 'failed' && isAllowed && state === 'released') return 0;
  throw new Error(`ended: ${JSON.stringify({ status, error, charge })}`);
}

/** A whole picture of the format and exactly the size that were asked for. */
async function checkOutput(file: Uint8Array, { input, output }: JobView, { parameters }: Choices): Promise<void> {
  const { info } = await sharp(file).toBuffer({ resolveWithObject: true });
  const size = outputSize(input ?? { width: 0, height: 0 }, { model: 'real-esrgan', ...parameters });
  const found = { format: info.format, width: info.width, height: info.height };
  const isRight = found.format === parameters.format && [found, output].every((of) => isSize(of, size));
  if (!isRight) throw new Error(`the result is ${JSON.stringify({ found, output, input })}`);
}

function isSize(of: Size | undefined, { width, height }: Size): boolean {
  return of?.width === width && of.height === height;
}

interface Size {
  width: number;
  height: number;
}
