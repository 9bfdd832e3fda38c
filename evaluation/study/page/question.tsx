import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { move, transformOf, useView, type View, WHOLE, zoomBy } from '../../../functions/web/view.ts';
import type { ParticipantView, QuestionView } from '../contract.ts';
import { picturePath } from '../contract.ts';

const WORDS = {
  truth: 'Which picture fits the small photo better?',
  best: 'Which picture is the best large one of the small photo?',
};
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [0.1, 0],
  ArrowRight: [-0.1, 0],
  ArrowUp: [0, 0.1],
  ArrowDown: [0, -0.1],
};

interface Props {
  id: string;
  index: number;
  questions: ParticipantView['questions'];
  /** Resolves when the answer is stored; `problem` says why it is not. */
  onAnswer: (place: number) => Promise<void>;
  onUndo: () => void;
  problem: string | undefined;
}

/** One question: the photo, and below it the pictures to choose from. All zoom and move as one. */
export function Question({ id, index, questions, onAnswer, onUndo, problem }: Props) {
  const { task, places, width, height } = questions[index]!;
  const [chosen, setChosen] = useState<number>();
  const [isBusy, setBusy] = useState(false);
  const addresses = (at: number, { places }: QuestionView) =>
    ['photo' as const, ...Array(places).keys()].map((place) => picturePath(id, at, place));
  const loaded = useLoaded(addresses(index, questions[index]!));
  const element = useRef<HTMLFieldSetElement>(null);
  const { view, setView } = useView(element, {
    onClick: (frame) => frame.dataset.place && choose(Number(frame.dataset.place)),
  });
  const heading = useRef<HTMLHeadingElement>(null);
  const isReady = loaded === 'all' && chosen !== undefined && !isBusy;

  function choose(place: number) {
    if (loaded === 'all') setChosen(place);
  }

  async function next() {
    if (!isReady) return;
    setBusy(true);
    await onAnswer(chosen!);
    setBusy(false);
  }

  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, []);
  useEffect(() => {
    const following = questions[index + 1];
    if (loaded === 'all' && following) for (const url of addresses(index + 1, following)) new Image().src = url;
  }, [loaded]);
  // Together with the paint, not after it: the next key may come at once.
  useLayoutEffect(() => {
    const listening = new AbortController();
    addEventListener('keydown', press, { signal: listening.signal });
    return () => listening.abort();
  });

  function press(event: KeyboardEvent) {
    const target = event.target as HTMLElement;
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (/^[1-9]$/.test(event.key) && Number(event.key) <= places) choose(Number(event.key) - 1);
    // A button has its own use for the space bar, and so has a choice as long as there is none.
    else if (event.key === ' ' && target.localName !== 'button' && chosen !== undefined) void next();
    else if (event.key === '+' || event.key === '=') setView((now) => zoomBy(now, 1.5));
    else if (event.key === '-') setView((now) => zoomBy(now, 1 / 1.5));
    else if (arrow && view.zoom > 1 && target.localName !== 'input') setView((now) => move(now, ...arrow));
    else return;
    event.preventDefault();
  }

  const style = { '--shape': width / height };
  const part = task === 'truth' || questions[0]!.task === 'best' ? 1 : 2;
  const parts = new Set(questions.map(({ task }) => task)).size;
  const actual = () => {
    const frame = element.current?.querySelector('.choice .frame');
    if (frame) setView(zoomBy(WHOLE, width / frame.clientWidth / devicePixelRatio));
  };
  return (
    <section class="question" style={style}>
      <header>
        <p class="quiet number" role="status">
          {parts > 1 && `Part ${part} of ${parts} · `}Question {index + 1} of {questions.length}
        </p>
        <progress aria-label="Answered" max={questions.length} value={index} />
      </header>
      <h1 ref={heading} id="question" tabIndex={-1}>
        {WORDS[task]}
      </h1>
      <fieldset
        ref={element}
        class={`pictures ${loaded === 'all' ? '' : 'loading'} ${places > 2 ? 'many' : ''}`}
        aria-labelledby="question"
        aria-busy={loaded !== 'all'}
      >
        <div class="photo">
          <Frame url={picturePath(id, index, 'photo')} alt="The small photo" view={view} />
          <span class="quiet">The small photo</span>
        </div>
        <div class="choices">
          {Array.from({ length: places }, (_, place) => (
            <div class="choice" key={place}>
              <Frame url={picturePath(id, index, place)} alt={`Picture ${place + 1}`} view={view} place={place} />
              <label>
                <input
                  type="radio"
                  name="choice"
                  checked={chosen === place}
                  disabled={loaded !== 'all'}
                  onChange={() => choose(place)}
                />
                Picture {place + 1}
              </label>
            </div>
          ))}
        </div>
      </fieldset>
      <div role="alert">
        {(problem ?? (loaded === 'failed' && 'A picture did not arrive: reload the page.')) && (
          <p class="note problem">{problem ?? 'A picture did not arrive: reload the page.'}</p>
        )}
      </div>
      <div class="bar">
        <button type="button" disabled={index === 0} onClick={onUndo}>
          Undo last
        </button>
        <div class="tools">
          <button
            type="button"
            aria-label="Zoom out"
            disabled={view.zoom <= 1}
            onClick={() => setView(zoomBy(view, 1 / 1.5))}
          >
            −
          </button>
          <output aria-label="Zoom">{Math.round(view.zoom * 100)} %</output>
          <button type="button" aria-label="Zoom in" onClick={() => setView(zoomBy(view, 1.5))}>
            +
          </button>
          <button type="button" onClick={view.zoom > 1 ? () => setView(WHOLE) : actual}>
            {view.zoom > 1 ? 'Whole picture' : 'Actual pixels'}
          </button>
        </div>
        <button type="button" class="primary" disabled={!isReady} onClick={next}>
          Next
        </button>
      </div>
      <p class="quiet keys">
        Keys: <kbd>1</kbd> to <kbd>{places}</kbd> choose, <kbd>space</kbd> goes on, <kbd>+</kbd> and <kbd>−</kbd> zoom,
        arrows move.
      </p>
    </section>
  );
}

function Frame({ url, alt, view, place }: { url: string; alt: string; view: View; place?: number }) {
  return (
    <div class="frame" data-place={place} style={{ touchAction: view.zoom > 1 ? 'none' : 'pan-y' }}>
      <img class="layer" src={url} alt={alt} draggable={false} style={{ transform: transformOf(view) }} />
    </div>
  );
}

/** Whether all pictures are there, decoded: they are shown together. */
function useLoaded(urls: readonly string[]): 'none' | 'all' | 'failed' {
  const [state, setState] = useState<'none' | 'all' | 'failed'>('none');
  useEffect(() => {
    let isGone = false;
    const settle = (state: 'all' | 'failed') => !isGone && setState(state);
    const decoded = urls.map((url) => {
      const image = new Image();
      image.src = url;
      return image.decode();
    });
    Promise.all(decoded).then(
      () => settle('all'),
      () => settle('failed'),
    );
    return () => {
      isGone = true;
    };
  }, []);
  return state;
}
