import { useEffect, useRef, useState } from 'preact/hooks';
import { type Fit, isLarger, move, transformOf, useView, type View, zoomBy } from './view.ts';

/** Shares of the frame that an arrow key moves. */
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [0.1, 0],
  ArrowRight: [-0.1, 0],
  ArrowUp: [0, 0.1],
  ArrowDown: [0, -0.1],
};
/** By a key or a button. */
const STEP = 1.5;
const LARGEST_ZOOM = 12;
/** Width by height of the frame: taller or wider pictures are looked at piece by piece. */
const NARROWEST = 0.5;
const WIDEST = 3;

interface Pictures {
  /** Absent where nobody has it any more. */
  before: string | undefined;
  after: string;
  /** Where detail was added, the more opaque the more; shown over the result. */
  changes?: string | undefined;
  width: number;
  height: number;
}

/**
 * The photo and its result over one another, parted by a slider: each half shows one of the two. Both zoom and move as
 * one; the slider stays where it is. A range input is the slider: it brings keyboard, touch and screen readers along.
 */
export function Comparison({ before, after, changes, width, height }: Pictures) {
  const frame = useRef<HTMLDivElement>(null);
  const [split, setSplit] = useState(50);
  const [areChangesShown, showChanges] = useState(false);
  const frameWidth = useWidth(frame);
  const shape = Math.min(WIDEST, Math.max(NARROWEST, width / height));
  const tall = (shape * height) / width;
  const actual = width / frameWidth / devicePixelRatio;
  const [whole, cover] = [Math.min(1, 1 / tall), Math.max(1, 1 / tall)];
  const fit: Fit = { tall, least: Math.min(whole, actual), most: LARGEST_ZOOM * Math.max(cover, actual) };
  const start: View = { zoom: cover, x: 0, y: 0 };
  const { view, setView } = useView(frame, { start, fit });
  const zoom = (factor: number) => setView((now) => zoomBy(now, factor, undefined, fit));
  const zoomTo = (wanted: number) => setView((now) => zoomBy(now, wanted / now.zoom, undefined, fit));

  function press(event: KeyboardEvent) {
    const arrow = ARROWS[event.key];
    if (event.target !== frame.current) return;
    if (event.key === '+' || event.key === '=') zoom(STEP);
    else if (event.key === '-') zoom(1 / STEP);
    else if (arrow) setView((now) => move(now, ...arrow, fit));
    // While the whole picture is seen, the arrow keys scroll the page.
    if (event.key in ARROWS ? isLarger(view, fit) : /^[-+=]$/.test(event.key)) event.preventDefault();
  }

  const style = { transform: transformOf(view, fit) };
  return (
    <figure class="comparison" style={{ '--split': `${split}%`, '--shape': shape, '--ratio': width / height }}>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for form fields */}
      <div
        ref={frame}
        class="frame"
        style={{ touchAction: isLarger(view, fit) ? 'none' : 'pan-y' }}
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is moved and zoomed by keys
        tabIndex={0}
        aria-label="Comparison. Plus and minus zoom, arrow keys move."
        onKeyDown={press}
        onDblClick={() => setView(view.zoom > cover ? start : zoomBy(view, 3, undefined, fit))}
      >
        {before && (
          <div class="half before">
            <img class="layer" style={style} src={before} alt="Before" draggable={false} />
          </div>
        )}
        <div class={before ? 'half after' : 'half'}>
          <img class="layer" style={style} src={after} alt={before ? 'After' : 'The result'} draggable={false} />
          {changes && areChangesShown && (
            <img class="layer changes" style={style} src={changes} alt="Where detail was added" />
          )}
        </div>
        {before && <Divider split={split} onSplit={setSplit} />}
      </div>
      <figcaption class="tools">
        <button
          type="button"
          aria-label="Zoom out"
          aria-disabled={view.zoom <= fit.least}
          onClick={() => zoom(1 / STEP)}
        >
          −
        </button>
        <output aria-label="Zoom">{Math.round(view.zoom * 100)} %</output>
        <button type="button" aria-label="Zoom in" onClick={() => zoom(STEP)}>
          +
        </button>
        <button type="button" aria-disabled={view.zoom === whole} onClick={() => zoomTo(whole)}>
          Whole picture
        </button>
        <button type="button" onClick={() => zoomTo(actual)}>
          Actual pixels
        </button>
        {changes && (
          <label class="check">
            <input
              type="checkbox"
              checked={areChangesShown}
              onChange={(event) => showChanges(event.currentTarget.checked)}
            />
            Show the additions
          </label>
        )}
      </figcaption>
    </figure>
  );
}

function Divider({ split, onSplit }: { split: number; onSplit: (split: number) => void }) {
  return (
    <>
      <div class="divider" aria-hidden="true" />
      <span class="tag-before" aria-hidden="true">
        Before
      </span>
      <span class="tag-after" aria-hidden="true">
        After
      </span>
      <input
        class="splitter"
        type="range"
        min={0}
        max={100}
        step={0.5}
        value={split}
        aria-label="Divider between before and after"
        aria-valuetext={`${Math.round(split)} % before, ${Math.round(100 - split)} % after`}
        onInput={(event) => onSplit(event.currentTarget.valueAsNumber)}
      />
    </>
  );
}

/** In CSS pixels; another one when the phone is turned. */
function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(500);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.max(1, entry.contentRect.width)));
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
