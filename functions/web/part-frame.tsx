import type { ComponentChildren } from 'preact';
import type { Size } from './photo.ts';

/** Of the photo's side, by an arrow key. */
const STEP = 0.02;
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

interface PartFrameProps {
  /** In pixels of the photo; absent: nothing is marked. */
  part: (Size & { x: number; y: number }) | undefined;
  size: Size;
  /** 0 to 1, from the left and from the top. */
  center: { x: number; y: number };
  onMove: (center: { x: number; y: number }) => void;
  /** The photo. */
  children: ComponentChildren;
}

/** Marks a part of the photo. It is moved by a finger, a mouse, or two sliders that are only heard and felt. */
export function PartFrame({ part, size, center, onMove, children }: PartFrameProps) {
  const place = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    onMove(inside((event.clientX - left) / width, (event.clientY - top) / height));
  };
  if (!part) return <div class="part-frame">{children}</div>;
  const percent = (share: number) => `${100 * share}%`;
  const box = {
    left: percent(part.x / size.width),
    top: percent(part.y / size.height),
    width: percent(part.width / size.width),
    height: percent(part.height / size.height),
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for form fields
    <div
      class="part-frame active"
      role="group"
      aria-label="The photo. Arrow keys move the part to try."
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        place(event);
      }}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && place(event)}
      onKeyDown={(event) => {
        const arrow = ARROWS[event.key];
        if (!arrow) return;
        event.preventDefault();
        onMove(inside(center.x + arrow[0], center.y + arrow[1]));
      }}
    >
      {children}
      <div class="part" style={box} aria-hidden="true" />
      <Slider label="Part to try, from the left" value={center.x} onChange={(x) => onMove({ ...center, x })} />
      <Slider label="Part to try, from the top" value={center.y} onChange={(y) => onMove({ ...center, y })} />
    </div>
  );
}

function Slider({ label, value, onChange }: { label: string; value: number; onChange: (value: number) => void }) {
  return (
    <input
      class="visually-hidden"
      type="range"
      min={0}
      max={1}
      step={STEP}
      value={value}
      aria-label={label}
      aria-valuetext={`${Math.round(value * 100)} %`}
      onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
    />
  );
}

function inside(x: number, y: number) {
  const within = (share: number) => Math.min(1, Math.max(0, share));
  return { x: within(x), y: within(y) };
}
