// Owns what the step hands on: mask first, then output. The only place that does either.

import type { Token } from "./token.ts";

/** The part of @actions/core that masks. */
export interface MaskSink {
  setSecret(secret: string): void;
}

/** What masks and sets outputs. */
export interface OutputSink extends MaskSink {
  setOutput(name: string, value: string): void;
}

/** What reaches all later steps. */
export interface EnvironmentSink {
  exportVariable(name: string, value: string): void;
  addPath(folder: string): void;
}

/** Where later steps find the token agent. */
export interface AgentAddress {
  readonly gatewayUrl: string;
  /** The secret part of `gatewayUrl`. */
  readonly capability: string;
  /** Absolute path of armor-token. */
  readonly command: string;
  /** The folder of armor-token. */
  readonly bin: string;
}

/** Registers masks for these texts with the runner; they hold for what is printed afterwards, by any step. */
export function mask(sink: MaskSink, secrets: readonly string[]): void {
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

/** Masks the capability and sets the outputs with which a step reaches the token agent. */
export function setAgentOutputs(sink: OutputSink, { capability, gatewayUrl, command }: AgentAddress): void {
  mask(sink, [capability]);
  sink.setOutput("gateway-url", gatewayUrl);
  sink.setOutput("token-command", command);
}

/** Lets all later steps reach the token agent without being told; to be called after its outputs are set. */
export function exportAgent(sink: EnvironmentSink, { gatewayUrl, bin }: AgentAddress): void {
  sink.exportVariable("ARMOR_GATEWAY_URL", gatewayUrl);
  sink.addPath(bin);
}

/** ISO 8601, UTC, whole seconds rounded down: what it promises, the token keeps. */
export function isoDate(msSinceEpoch: number): string {
  return new Date(msSinceEpoch).toISOString().replace(/\.\d+Z$/, "Z");
}
