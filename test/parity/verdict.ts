/** The finding about one recorded number, tensor or file. */
export interface Verdict {
  /** Id of the case. */
  id: string;
  /** The compared output or other part. */
  output: string;
  passes: boolean;
  largestDifference?: number;
  largestRelative?: number;
  /** The rule. */
  tolerance?: string;
  /** The error. */
  message?: string;
}
