import Panzoom, { type PanzoomObject } from '@panzoom/panzoom';
import { useEffect, useRef, useState } from 'preact/hooks';

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [40, 0],
  ArrowRight: [-40, 0],
  ArrowUp: [0, 40],
  ArrowDown: [0, -40],
};
const LARGEST_ZOOM = 12;
/** Panzoom measures the picture to keep it in its frame, and would measure wrongly while it moves. */
const AT_ONCE = { animate: false };

interface Pictures {
  before: string | undefined;
  after: string;
  /** Where detail was added, the more opaque the more; shown over the result. */
  changes?: string | undefined;
  width: number;
  height: number;
}

/**
 * The photo and its result over one another, parted by a slider. Both zoom and move as one; the slider stays where it
 * is. A range input is the slider: it brings keyboard, touch and screen readers along.
 */
export function Comparison({ before, after, changes, width, height }: Pictures) {
  const frame = useRef<HTMLDivElement>(null);
  const leader = useRef<HTMLImageElement>(null);
  const panzoom = useRef<PanzoomObject>(undefined);
  const [split, setSplit] = useState(50);
  const [zoom, setZoom] = useState(1);
  const [areChangesShown, showChanges] = useState(false);

  useEffect(() => {
    const created = followPointer(frame.current!, leader.current!, setZoom);
    panzoom.current = created.panzoom;
    return created.stop;
  }, []);

  function move(event: KeyboardEvent) {
    const { current } = panzoom;
    const arrow = ARROWS[event.key];
    if (!current || event.target !== frame.current) return;
    const scale = current.getScale();
    if (event.key === '+' || event.key === '=') current.zoomIn(AT_ONCE);
    else if (event.key === '-') current.zoomOut(AT_ONCE);
    else if (arrow && scale > 1) current.pan(arrow[0] / scale, arrow[1] / scale, { relative: true });
    else return;
    event.preventDefault();
  }

  const actual = () => panzoom.current?.zoom(width / frame.current!.clientWidth / devicePixelRatio);
  return (
    <figure class="comparison" style={{ '--split': `${split}%`, '--width': width, '--height': height }}>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for form fields */}
      <div
        ref={frame}
        class="frame"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is moved and zoomed by keys
        tabIndex={0}
        aria-label="Comparison. Plus and minus zoom, arrow keys move."
        onKeyDown={move}
      >
        <img
          ref={leader}
          class="layer"
          src={before ?? after}
          alt={before ? 'Before' : 'The result'}
          draggable={false}
        />
        <div class="layer reveal" hidden={!before}>
          <img class="layer follower" src={after} alt="After" draggable={false} />
          {changes && areChangesShown && (
            <img class="layer follower changes" src={changes} alt="Where detail was added" />
          )}
        </div>
        {before && (
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
              onInput={(event) => setSplit(event.currentTarget.valueAsNumber)}
            />
          </>
        )}
      </div>
      <figcaption class="tools">
        <button
          type="button"
          aria-label="Zoom out"
          disabled={zoom <= 1}
          onClick={() => panzoom.current?.zoomOut(AT_ONCE)}
        >
          −
        </button>
        <output aria-label="Zoom">{Math.round(zoom * 100)} %</output>
        <button type="button" aria-label="Zoom in" onClick={() => panzoom.current?.zoomIn(AT_ONCE)}>
          +
        </button>
        <button type="button" disabled={zoom <= 1} onClick={() => panzoom.current?.reset(AT_ONCE)}>
          Whole picture
        </button>
        <button type="button" onClick={actual}>
          Actual pixels
        </button>
        {changes && (
          <label class="check">
            <input
              type="checkbox"
              checked={areChangesShown}
              onChange={(event) => showChanges(event.currentTarget.checked)}
            />
            Show what was added
          </label>
        )}
      </figcaption>
    </figure>
  );
}

const transformOf = (scale: number, x: number, y: number) => `scale(${scale}) translate(${x}px, ${y}px)`;

/** Pan and zoom of the leading picture, which every other one copies. */
function followPointer(frame: HTMLElement, leader: HTMLElement, onZoom: (zoom: number) => void) {
  const panzoom = Panzoom(leader, {
    canvas: true,
    contain: 'outside',
    minScale: 1,
    maxScale: LARGEST_ZOOM,
    panOnlyWhenZoomed: true,
    // While the whole picture is seen, a finger scrolls the page.
    touchAction: 'pan-y',
    cursor: 'grab',
    exclude: [...frame.querySelectorAll('input')],
    setTransform: (_leader, { scale, x, y }) => {
      const transform = transformOf(scale, x, y);
      for (const picture of [leader, ...frame.querySelectorAll<HTMLElement>('.follower')]) {
        picture.style.transform = transform;
      }
      frame.style.touchAction = scale > 1 ? 'none' : 'pan-y';
      onZoom(scale);
    },
  });
  const listening = new AbortController();
  const { signal } = listening;
  // Panzoom draws with the next frame, and measures what is drawn: what comes before that frame would be kept in bounds
  // of the picture as it was.
  const draw = () => {
    const { x, y } = panzoom.getPan();
    leader.style.transform = transformOf(panzoom.getScale(), x, y);
  };
  for (const type of ['keydown', 'click', 'dblclick', 'wheel', 'pointermove']) {
    document.addEventListener(type, draw, { capture: true, signal });
  }
  // The wheel alone scrolls the page; with Ctrl, which a pinched touchpad sends too, it zooms.
  frame.addEventListener('wheel', (event) => event.ctrlKey && panzoom.zoomWithWheel(event), { passive: false, signal });
  frame.addEventListener('dblclick', (event) => panzoom.zoomToPoint(panzoom.getScale() > 1 ? 1 : 3, event), { signal });
  return {
    panzoom,
    stop: () => {
      listening.abort();
      panzoom.destroy();
    },
  };
}
