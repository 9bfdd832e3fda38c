import { get, type IncomingMessage } from 'node:http';

/** Event streams of one job, all open at once, on connections of their own. */
export interface OpenStreams {
  open: number;
  /** Answered otherwise: there may only be so many. */
  refused: number;
  /** Milliseconds (`performance.now`) at which each stream brought `end`; resolves when all have. */
  ends: Promise<number[]>;
}

export async function openStreams(url: string, key: string, count: number): Promise<OpenStreams> {
  const streams = await Promise.all(Array.from({ length: count }, () => openStream(url, key)));
  const open = streams.filter((stream) => stream !== undefined);
  return { open: open.length, refused: count - open.length, ends: Promise.all(open.map(({ end }) => end)) };
}

/** Resolves with the first event; undefined where the stream was refused. */
function openStream(url: string, key: string): Promise<{ end: Promise<number> } | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}` };
    get(url, { headers, agent: false }, (response: IncomingMessage) => {
      if (response.statusCode !== 200) {
        response.resume();
        resolve(undefined);
        return;
      }
      let text = '';
      const end = new Promise<number>((ended, broke) => {
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
          if (text.includes('\nid: ')) resolve({ end });
          if (text.includes('event: end')) ended(performance.now());
        });
        response.on('end', () => broke(new Error(`A stream closed without the end of its job: ${text.slice(-200)}`)));
      });
      end.catch(() => {}); // the caller that waits for it is told
    }).on('error', reject);
  });
}
