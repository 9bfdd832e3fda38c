/** Server-sent events (HTML, section 9.2) as a body that costs nothing while nobody reads it. */

interface Options {
  /** Called once: at the end, when the reader has gone, or has not read for so long. */
  onEnd: () => void;
  unreadMilliseconds?: number;
}

/** A proxy reads on however slow its client is; a peer that does not read for so long has gone without a word. */
const UNREAD_MILLISECONDS = 30_000;

export interface Message {
  event?: string;
  id?: string;
  /** JSON, so that it has no line ends. */
  data?: string;
  /** Milliseconds until the client connects again. */
  retry?: number;
}

/** `messages` is asked for the next one when the last has been read. */
export function eventStream(
  messages: AsyncGenerator<Message>,
  { onEnd, unreadMilliseconds = UNREAD_MILLISECONDS }: Options,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    clearTimeout(timer);
    onEnd();
  };
  const expectReader = (controller: ReadableStreamDefaultController) => {
    timer = setTimeout(() => {
      end();
      controller.error(new Error('Nobody reads the stream.'));
    }, unreadMilliseconds);
  };
  return new ReadableStream<Uint8Array>(
    {
      start: expectReader,
      async pull(controller) {
        clearTimeout(timer);
        const { done, value } = await messages.next();
        if (done) {
          end();
          return controller.close();
        }
        controller.enqueue(encoder.encode(format(value)));
        expectReader(controller);
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function format(message: Message): string {
  const lines = Object.entries(message).map(([name, value]) => `${name}: ${value}\n`);
  return `${lines.join('')}\n`;
}
