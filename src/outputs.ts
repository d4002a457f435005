// Owns what the step hands on: mask first, then output. The only place that does either.

import type { Token } from "./token.ts";

/** The part of @actions/core that masks and sets outputs. */
export interface OutputSink {
  setSecret(secret: string): void;
  setOutput(name: string, value: unknown): void;
}

/** Registers masks for these texts with the runner; they hold for what is printed afterwards, by any step. */
export function mask(sink: OutputSink, secrets: readonly string[]): void {
  for (const secret of secrets) sink.setSecret(secret);
}

/** Masks the token and sets the outputs that action.yml describes. */
export function setTokenOutputs(sink: OutputSink, token: Token): void {
  mask(sink, [token.accessToken]);
  sink.setOutput("access-token", token.accessToken);
  sink.setOutput("token-type", "Bearer");
  sink.setOutput("expires-in", String(token.expiresIn));
  sink.setOutput("expires-at", isoDate(token.expiresAt));
}

/** ISO 8601, UTC, whole seconds rounded down: what it promises, the token keeps. */
export function isoDate(msSinceEpoch: number): string {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}
