import type { Order } from './order.ts';
import type { Sender } from './sender.ts';

interface SendingNoteProps {
  sender: Sender;
  /** On this screen: it tells about them itself. */
  shown: readonly Order[];
  onShow: (keys: string[]) => void;
}

/** Orders that are on their way, or were refused, while the screen shows something else. */
export function SendingNote({ sender, shown, onShow }: SendingNoteProps) {
  const elsewhere = sender.list().filter(({ order }) => !shown.some(({ key }) => key === order.key));
  const refused = elsewhere.filter(({ step }) => step === 'refused');
  const busy = elsewhere.length - refused.length;
  const words = [
    busy > 0 && `${busy} ${busy === 1 ? 'photo is' : 'photos are'} still being sent.`,
    refused.length > 0 && `${refused.length} ${refused.length === 1 ? 'photo was' : 'photos were'} not sent.`,
  ];
  const text = words.filter(Boolean).join(' ');
  return (
    <div role="status">
      {text && (
        <div class="note above row">
          {text}
          <div class="row">
            <button type="button" onClick={() => onShow(elsewhere.map(({ order }) => order.key))}>
              Show
            </button>
            {busy === 0 && (
              <button type="button" onClick={() => refused.forEach(({ order }) => void sender.dismiss(order.key))}>
                Close
              </button>
            )}
          </div>
        </div>
      )}
    </div>
  );
}
