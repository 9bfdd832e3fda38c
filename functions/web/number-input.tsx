import { useEffect, useRef, useState } from 'preact/hooks';

interface NumberInputProps {
  id: string;
  about?: string | undefined;
  value: number | undefined;
  /** The value in force while the field is empty. */
  fallback?: number | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  isWhole?: boolean;
  /** It may not be left empty. */
  required?: boolean;
  /** Undefined: the field is empty, or holds no number that fits; then the form cannot be sent. */
  onChange: (value: number | undefined) => void;
}

/**
 * A number as people write it. The typed text stays as it is, so that `0.3` can be reached by way of `0.`; point and
 * comma are one. `type="number"` would take away one of them, and text that it cannot read.
 */
export function NumberInput({
  id,
  about,
  value,
  fallback,
  minimum,
  maximum,
  isWhole = false,
  required = false,
  onChange,
}: NumberInputProps) {
  const [text, setText] = useState(String(value ?? fallback ?? ''));
  const input = useRef<HTMLInputElement>(null);
  const rules = { minimum, maximum, isWhole, required };
  const fault = faultOf(text, rules);
  useEffect(() => input.current?.setCustomValidity(fault), [fault]);
  const faultId = `${id}-fault`;
  return (
    <>
      <input
        ref={input}
        id={id}
        type="text"
        inputMode={isWhole ? 'numeric' : 'decimal'}
        autocomplete="off"
        placeholder={fallback === undefined ? '' : String(fallback)}
        aria-describedby={[fault && faultId, about].filter(Boolean).join(' ') || undefined}
        aria-invalid={fault !== ''}
        value={text}
        onInvalid={({ currentTarget }) => showInside(currentTarget)}
        onInput={({ currentTarget }) => {
          const typed = currentTarget.value;
          setText(typed);
          const isFine = typed.trim() !== '' && faultOf(typed, rules) === '';
          onChange(isFine ? readNumber(typed) : undefined);
        }}
      />
      {fault && (
        <p id={faultId} class="fault">
          {fault}
        </p>
      )}
    </>
  );
}

/** The browser complains about visible fields only. */
function showInside(element: Element): void {
  const details = element.closest('details');
  if (!details) return;
  details.open = true;
  if (details.parentElement) showInside(details.parentElement);
}

interface Rules {
  minimum: number | undefined;
  maximum: number | undefined;
  isWhole: boolean;
  required: boolean;
}

/** In words; empty where nothing is wrong. */
function faultOf(text: string, { minimum, maximum, isWhole, required }: Rules): string {
  if (text.trim() === '') return required ? 'A number is needed here.' : '';
  const number = readNumber(text);
  if (Number.isNaN(number)) return 'This is no number.';
  if (isWhole && !Number.isInteger(number)) return 'This must be a whole number.';
  if (minimum !== undefined && number < minimum) return `At least ${minimum}.`;
  if (maximum !== undefined && number > maximum) return `At most ${maximum}.`;
  return '';
}

/** With a point or a comma, in the digits of any keyboard, with spaces around and between. NaN: it is none. */
function readNumber(text: string): number {
  const plain = text
    .normalize('NFKC')
    .replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) % 16))
    .replace(/[\s'’]/g, '')
    .replace(/[,\u066b]/, '.')
    .replace('\u2212', '-');
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : Number.NaN;
}
