// Survivors that are no gap in the tests: what they change cannot be seen, or need not be. They are
// known by where they are and by the kind of change, so that an edit of the line beside them
// changes nothing here.

export interface Accepted {
  /** As `npm run mutate` names it, such as `Gateway.serve`. */
  readonly function: string;
  /** Stryker's name of the kind of change, such as `StringLiteral`. */
  readonly mutator: string;
  /**
   * How many survivors of this kind in this function the reason is about; undefined stands for one.
   */
  readonly count?: number;
  /** Why no test should kill it, in a sentence. */
  readonly why: string;
}

/** By file, as a path below the project's root. */
export const ACCEPTED: Readonly<Record<string, readonly Accepted[]>> = {
  "src/armor/redirect.ts": [
    {
      function: "VENDOR_ORIGIN",
      mutator: "Regex",
      why: "It is tried on an origin, in front of which nothing can stand.",
    },
  ],
  "src/redact.ts": [
    {
      function: "secretsOfThisProcess",
      mutator: "ArrayDeclaration",
      why: "No text has the words that take the place of the empty list.",
    },
    { function: "foldCase", mutator: "Regex", why: "Letter by letter gives the same text." },
  ],
};
