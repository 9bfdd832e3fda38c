import { render } from 'preact';
import { useState } from 'preact/hooks';
import type { ParticipantView } from '../contract.ts';
import { begin, createId, findId, keepId, takeBack, vote } from './participant.ts';
import { Question } from './question.tsx';

function Page() {
  const [id, setId] = useState(findId);
  const [state, setState] = useState<ParticipantView>();
  const [problem, setProblem] = useState<string>();

  async function attempt(work: () => Promise<ParticipantView>) {
    try {
      setState(await work());
      setProblem(undefined);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  function enter(entered: string) {
    return attempt(async () => {
      const view = await begin(entered);
      keepId(entered);
      setId(entered);
      return view;
    });
  }

  const isOver = state && state.answered === state.questions.length;
  const undo = () => attempt(() => takeBack(id!, state!.answered - 1));
  return (
    <main>
      {!state && <Welcome id={id} onBegin={enter} problem={problem} />}
      {state && !isOver && (
        <Question
          key={state.answered}
          id={id!}
          index={state.answered}
          questions={state.questions}
          onAnswer={(place) => attempt(() => vote(id!, state.answered, place))}
          onUndo={undo}
          problem={problem}
        />
      )}
      {isOver && (
        <section class="card narrow">
          <h1>Thank you</h1>
          <p>All {state.questions.length} answers are stored. You may close this window.</p>
          <div role="alert">{problem && <p class="note problem">{problem}</p>}</div>
          <button type="button" onClick={undo}>
            Undo last
          </button>
        </section>
      )}
    </main>
  );
}

interface WelcomeProps {
  /** Of an earlier visit. */
  id: string | undefined;
  onBegin: (id: string) => void;
  problem: string | undefined;
}

function Welcome({ id, onBegin, problem }: WelcomeProps) {
  return (
    <section class="card narrow welcome">
      <h1>Which picture fits?</h1>
      <p>You see a small, poor photo and below it large pictures of the same.</p>
      <ul>
        <li>First there are two: choose the one that fits the small photo better.</li>
        <li>Then there may be more: choose the one that is best.</li>
      </ul>
      <p>
        Look at how good a picture is, and whether it shows the same as the photo. Zoom in: all of them move together.
        You may leave and go on later, here or at the address that you will see.
      </p>
      <div role="alert">{problem && <p class="note problem">{problem}</p>}</div>
      <button type="button" class="primary" onClick={() => onBegin(id ?? createId())}>
        {id ? 'Go on' : 'Begin'}
      </button>
      {id && (
        <button type="button" onClick={() => onBegin(createId())}>
          I am somebody else: begin anew
        </button>
      )}
      <p class="quiet">No name is asked for. Your answers are stored under a random number.</p>
    </section>
  );
}

// An address of a participant was pasted into the open page.
addEventListener('hashchange', () => location.reload());

render(<Page />, document.body);
