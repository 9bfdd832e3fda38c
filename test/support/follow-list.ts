import { notifyDue } from '../../functions/notify/notify.ts';
import { reap } from '../../functions/reap/reap.ts';
import { AppError } from '../../shared/error.ts';
import { outputKey } from '../../shared/job.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import type { Mode } from './both-modes.ts';
import { createPlainAnswers } from './plain-answers.ts';
import type { PhotoName, Step } from './request-list.ts';
import { SAMPLE_RUN } from './sample-job.ts';

const PLACEHOLDER = /\{([\w-]+(?:\.\w+)+)\}/g;
const LANES = 8;

type Facts = Record<string, unknown>;

/**
 * Goes through a list of requests in one mode. `photos`: by their names; `facts`: values that requests may name from
 * the start.
 */
export function followList(mode: Mode, photos: Record<PhotoName, Uint8Array>, facts: Facts) {
  const { service } = mode;
  const plain = createPlainAnswers();
  const kept: Facts = { ...facts };
  for (const [name, bytes] of Object.entries(photos)) {
    kept[name] = { bytes: bytes.length, base64: Buffer.from(bytes).toString('base64') };
  }
  const find = (path: string) =>
    path.split('.').reduce<unknown>((value, name) => (value as Facts | undefined)?.[name], kept);
  const fill = (text: string) => text.replace(PLACEHOLDER, (_, path: string) => String(find(path)));
  /** A string that is nothing but a placeholder becomes the value itself. */
  const fillJson = (json: unknown) =>
    JSON.stringify(json, (_, value: unknown) => {
      const path = typeof value === 'string' && /^\{([\w-]+(?:\.\w+)+)\}$/.exec(value)?.[1];
      return path ? find(path) : typeof value === 'string' ? fill(value) : value;
    });

  async function ask(step: Extract<Step, { ask: string }>) {
    const [method = '', path = ''] = fill(step.ask).split(' ');
    const key = step.by === undefined ? service.secret : step.by && fill(step.by);
    const body = step.text ?? (step.json === undefined ? undefined : fillJson(step.json));
    const headers = {
      ...(key && { Authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...step.headers,
    };
    const answer = await mode.call(method, path, headers, body);
    if (step.keep) kept[step.keep] = JSON.parse(answer.body.toString());
    return plain.of(answer);
  }

  async function send({ send, photo }: Extract<Step, { send: string }>) {
    const { id, method, url, headers, fields } = kept[send] as {
      id: string;
      method: string;
      url: string;
      headers: Record<string, string>;
      fields?: Record<string, string>;
    };
    const file = new Uint8Array(photos[photo]);
    const form = new FormData();
    for (const [name, value] of Object.entries(fields ?? {})) form.append(name, value);
    form.append('file', new Blob([file]));
    const body = fields ? form : file;
    const response = await fetch(mode.reach(url), { method, headers, body });
    await response.arrayBuffer();
    if (response.ok) await mode.notice((await service.state.getUpload(id))!.key);
    return { status: response.status };
  }

  async function follow({ follow }: Extract<Step, { follow: string }>) {
    const response = await fetch(mode.reach((kept[follow] as { url: string }).url));
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) return { status: response.status };
    const type = response.headers.get('content-type');
    return { status: response.status, type, file: bytes.toString('base64') };
  }

  async function workOn(what: string, id: string) {
    const { state, objects } = service;
    const found = (await state.getJob(id))!;
    const job = found.status === 'queued' ? await state.updateJob(id, { type: 'claim' }) : found;
    const { attempt } = job;
    if (what === 'progress') {
      return state.updateJob(id, { type: 'progress', attempt, progress: { stage: 'upscale', percent: 50 } });
    }
    if (what === 'fail') {
      const error = new AppError('image-unreadable', 'The photo is damaged.');
      return state.updateJob(id, { type: 'fail', attempt, error });
    }
    if (what === 'claim') return job;
    const key = outputKey(job, attempt);
    await objects.put(key, new Blob(['the result']).stream(), { contentType: 'image/png' });
    const output = { ...SAMPLE_RUN.output, key, bytes: 10 };
    return state.updateJob(id, { type: 'succeed', attempt, output, notes: [], run: SAMPLE_RUN });
  }

  async function work({ work, job }: Extract<Step, { work: string }>) {
    const { status, failures, charge } = await workOn(work, fill(job));
    return { status, failures, charge };
  }

  async function run({ run }: Extract<Step, { run: string }>) {
    return run === 'sweep' ? reap(service) : notifyDue(service, new AbortController().signal, LANES);
  }

  async function take(step: Step): Promise<unknown> {
    if ('ask' in step) return ask(step);
    if ('send' in step) return send(step);
    if ('follow' in step) return follow(step);
    return 'work' in step ? work(step) : run(step);
  }

  /** All movements of money so far, and the messages that wait. */
  async function books() {
    const { state, queue, deadLetters } = service;
    const statement = await state.getStatement('acc_one');
    return {
      balance: statement.balance,
      entries: statement.entries
        .map(({ kind, amount, job_id }) => `${kind} ${amount} ${plain.text(job_id ?? '')}`)
        .sort(),
      problems: findLedgerProblems(statement),
      messages: (await queue.depth()).visible,
      deadLetters: (await deadLetters.depth()).visible,
    };
  }

  return { take, books };
}
