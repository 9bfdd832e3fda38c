import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { z } from 'zod';
import { AppError, toProblem } from '../../shared/error.ts';
import { type ParticipantView, participantPath, picturePath, votePath } from './contract.ts';
import { type Candidate, planQuestions, type Question, type Study } from './plan.ts';
import type { ShownPictures } from './shown-pictures.ts';
import type { Vote, VoteStore } from './vote-store.ts';

const MAX_BODY_BYTES = 1024;
const ID = ':id{[\\w-]{22}}';
const QUESTION = ':question{\\d{1,6}}';
const voteSchema = z.strictObject({ place: z.int().min(0) });
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

interface Deps {
  study: Study;
  store: VoteStore;
  pictures: ShownPictures;
  /** By path, with their types. */
  page: ReadonlyMap<string, { type: string; bytes: Uint8Array<ArrayBuffer> }>;
  onError: (error: unknown) => void;
}

/**
 * The page and its API. Only PUT and DELETE change anything: a page of another origin cannot send them. No answer
 * says which picture is whose; the address of a picture names its place alone, and all its headers are the same.
 */
export function createStudyApp({ study, store, pictures, page, onError }: Deps): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
  });
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES }));
  for (const [path, { type, bytes }] of page) {
    app.get(path, (c) => c.body(bytes, 200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }));
  }

  app.put(participantPath(ID), (c) => c.json(viewOf(store.join(c.req.param('id')!))));
  app.put(votePath(ID, QUESTION), async (c) => {
    const asked = find(c.req.param());
    const { place } = await readVote(c.req.raw);
    store.add(voteFor(study, asked, place, new Date()));
    return c.json(viewOf(asked.participant));
  });
  app.delete(votePath(ID, QUESTION), (c) => {
    const { participant, index } = find(c.req.param());
    store.remove(participant, index);
    return c.json(viewOf(participant));
  });
  app.get(picturePath(ID, QUESTION, ':place{photo|\\d}'), async (c) => {
    const { question } = find(c.req.param());
    const { place } = c.req.param() as { place: string };
    const candidate = place === 'photo' ? place : question.places[Number(place)];
    if (candidate === undefined) throw new AppError('not-found', `There is no picture ${place} in this question.`);
    const bytes = await pictures.read(question.picture, candidate);
    return c.body(bytes, 200, { 'Content-Type': 'image/png', 'Cache-Control': 'private, max-age=86400, immutable' });
  });

  app.notFound((c) => c.json(toProblem(new AppError('not-found', `There is no ${c.req.path}.`)), 404));
  app.onError((error, c) => {
    const known = error instanceof HTTPException ? new AppError('too-large', error.message) : error;
    if (!(known instanceof AppError)) onError(known);
    const problem = toProblem(known);
    return c.json(problem, problem.status as 400);
  });

  function find(parameters: Record<string, string>): Asked {
    const participant = store.find(parameters.id!);
    if (participant === undefined) throw new AppError('not-found', 'There is no such participant.');
    const index = Number(parameters.question);
    const question = planQuestions(study, participant)[index];
    if (!question) throw new AppError('not-found', `There is no question ${index}.`);
    return { participant, index, question };
  }

  function viewOf(participant: number): ParticipantView {
    const questions = planQuestions(study, participant).map(({ task, picture, places }) => {
      const { width, height } = study.pictures[picture]!;
      return { task, places: places.length, width, height };
    });
    return { questions, answered: store.countVotes(participant) };
  }

  return app;
}

interface Asked {
  participant: number;
  index: number;
  question: Question;
}

async function readVote(request: Request): Promise<z.infer<typeof voteSchema>> {
  const parsed = voteSchema.safeParse(await request.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  throw new AppError('invalid', 'A vote is {"place": n}, n from 0 on.');
}

function voteFor({ models, pictures }: Study, { participant, index, question }: Asked, place: number, now: Date): Vote {
  const { task, picture, places } = question;
  const chosen = places[place];
  if (chosen === undefined) {
    throw new AppError('invalid', `There are the places 0 to ${places.length - 1}, not ${place}.`);
  }
  const nameOf = (candidate: Candidate | undefined) => (typeof candidate === 'number' ? models[candidate]! : null);
  return {
    participant,
    question: index,
    task,
    picture: pictures[picture]!.name,
    model: task === 'truth' ? nameOf(places.find((candidate) => candidate !== 'truth')) : null,
    chosen: nameOf(chosen),
    place,
    voted_at: now.toISOString(),
  };
}
