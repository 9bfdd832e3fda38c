/** Answers of the server to the page. None tells the origin of a picture. */

/** `truth`: which of two fits the photo better, the ground truth or a restored one. `best`: which of all restored ones. */
export type Task = 'truth' | 'best';

export interface QuestionView {
  task: Task;
  /** How many pictures there are to choose from. */
  places: number;
  /** Of each of them, in pixels. */
  width: number;
  height: number;
}

export interface ParticipantView {
  questions: QuestionView[];
  /** The first so many are answered: the next one is `questions[answered]`. */
  answered: number;
}

/** Of one participant. Ids are 128 random bits in base64url, drawn by the page. */
export const participantPath = (id: string) => `/participants/${id}`;

/** PUT `{"place": n}` answers the next question (again the same is no second vote), DELETE takes the last answer back. */
export const votePath = (id: string, question: number | string) => `/participants/${id}/votes/${question}`;

/** An address names the participant, the question, and the place on the page: `photo`, or a place from 0 on. */
export const picturePath = (id: string, question: number | string, place: number | string) =>
  `/participants/${id}/pictures/${question}/${place}`;
