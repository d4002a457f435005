// Owns what the main step leaves for the post step: the names and forms of the runner's state variables.

/** What saves state. */
export interface StateSink {
  saveState(name: string, value: string): void;
}

/** What the post step knows of the session. No API key ever goes into state, which is a readable file. */
export interface Session {
  /** Ms since the epoch. */
  readonly expiresAt: number;
  /** Only there if the session is to be ended. */
  readonly accessToken?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The runner starts the same file for both steps; the second finds what the first saved. */
export function markMainStarted(sink: StateSink): void {
  sink.saveState("main_started", "true");
}

/** From here on the post step has something to tell. */
export function markMainSucceeded(sink: StateSink): void {
  sink.saveState("main_succeeded", "true");
}

export function hasMainSucceeded(env: Environment): boolean {
  return env["STATE_main_succeeded"] === "true";
}

export function saveAgentFolder(sink: StateSink, folder: string): void {
  sink.saveState("agent_folder", folder);
}

/** @returns undefined where no token agent was started */
export function loadAgentFolder(env: Environment): string | undefined {
  return env["STATE_agent_folder"] || undefined;
}

export function isPostStep(env: Environment): boolean {
  return env["STATE_main_started"] === "true";
}

export function saveSession(sink: StateSink, { expiresAt, accessToken }: Session): void {
  sink.saveState("expires_at", String(expiresAt));
  if (accessToken !== undefined) sink.saveState("access_token", accessToken);
}

/** @returns undefined where the main step did not get as far as a token. */
export function loadSession(env: Environment): Session | undefined {
  const expiresAt = Number(env["STATE_expires_at"]);
  const accessToken = env["STATE_access_token"];
  if (!(expiresAt > 0)) return undefined;
  return accessToken ? { expiresAt, accessToken } : { expiresAt };
}
