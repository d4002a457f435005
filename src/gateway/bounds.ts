/**
 * A limit on what others can make the agent hold. Everybody on the machine can connect to a port of
 * 127.0.0.1, and whoever finds the gateway's address can make calls. An agent that runs out of
 * memory is gone for the rest of the job, and another program could take its port.
 */
export interface Bound {
  readonly value: number;
  readonly unit: "bytes" | "calls" | "connections" | "headers" | "ms" | "paths" | "requests";
  readonly protects: string; // what would grow without it, and why the value is not smaller
  readonly beyond: string; // what a client sees beyond it
}

/**
 * Together they stay below the agent's heap of 256 MiB, also if every one of them is reached at
 * once.
 */
export const BOUNDS = {
  maxConnections: {
    value: 4_000,
    unit: "connections",
    protects: "Memory: one takes up to 40 KB, with a head of 16 KB. A job needs some 1,000.",
    beyond:
      "The one that waited longest is closed, else an idle one; if all are busy, the new one.",
  },
  maxWaiting: {
    value: 2_000,
    unit: "connections",
    protects: "Room for the job beside connections that never had an admitted request.",
    beyond: "Those that waited longest are closed, as many as there are too many.",
  },
  minWaitMs: {
    value: 2_000,
    unit: "ms",
    protects: "Clients that open many connections first and use them later, as Go's does.",
    beyond: "A connection beyond maxWaiting that waited for so long is closed to make room.",
  },
  backlog: {
    value: 4_096,
    unit: "connections",
    protects: "Calls that connect at the same moment. Node's default is 511.",
    beyond: "The system lets the client try again.",
  },
  headMs: {
    value: 10_000,
    unit: "ms",
    protects: "Connections that begin a request, or the body of a refused one, and do not go on.",
    beyond: "408 request_timeout, or the end of the refused connection.",
  },
  maxHeadBytes: {
    value: 16 * 1024,
    unit: "bytes",
    protects: "Memory for each connection. Node's own default.",
    beyond: "431 head_too_large.",
  },
  maxHeaders: {
    value: 100,
    unit: "headers",
    protects:
      "Memory, as 960 small headers take five times their bytes; and the guard, which would not see " +
      "what Node drops beyond a number of its own (1,000 in Node 20).",
    beyond: "431 head_too_large, from this number on.",
  },
  keepAliveMs: {
    value: 120_000,
    unit: "ms",
    protects:
      "Connections that nobody uses any more. Longer than common clients keep one, so that none is " +
      "closed while a request is on its way.",
    beyond: "The connection is closed.",
  },
  maxInLine: {
    value: 64,
    unit: "requests",
    protects: "Memory: requests on one connection that wait for the reply to the one before.",
    beyond: "503 gateway_busy, when it is that request's turn, and the end of the connection.",
  },
  maxInLineInAll: {
    value: 2_000,
    unit: "requests",
    protects: "The same over all connections; a request and its response take some 4 KB.",
    beyond: "The connection that brought the last request is reset.",
  },
  maxBytesInLine: {
    value: 16 * 1024 * 1024,
    unit: "bytes",
    protects: "The same by the bytes of the heads, which may be 16 KB each.",
    beyond: "The connection that brought the last request is reset.",
  },
  maxCalls: {
    value: 128,
    unit: "calls",
    protects: "Armor, and memory: each call under way may hold 100 KB of its reply.",
    beyond: "The call waits in line.",
  },
  maxCallsWaiting: {
    value: 2_000,
    unit: "calls",
    protects: "Memory: each holds its head of up to 16 KB. A job sends 1,000 at once.",
    beyond: "503 gateway_busy.",
  },
  callWaitMs: {
    value: 120_000,
    unit: "ms",
    protects: "Clients, of an answer that never comes. As long as Armor may take for a head.",
    beyond: "503 gateway_busy.",
  },
  maxUnreadMs: {
    value: 10_000,
    unit: "ms",
    protects: "Calls that wait in line, of clients that do not read. A pipe seldom stops so long.",
    beyond: "If a call has waited in line for as long, the reply is broken off.",
  },
  maxUnreadInAllMs: {
    value: 120_000,
    unit: "ms",
    protects: "The same, of clients that read a little now and then: the sum of their pauses.",
    beyond: "If a call has waited in line for maxUnreadMs, the reply is broken off.",
  },
  maxForbiddenPaths: {
    value: 500,
    unit: "paths",
    protects: "Memory: paths, of up to 16 KB each, that lately answered 401 to every token.",
    beyond: "The path that was noted first is forgotten, which may cost one more token.",
  },
} as const satisfies Readonly<Record<string, Bound>>;

/** The values alone. Tests fill bounds with smaller ones. */
export type Limits = Readonly<Record<keyof typeof BOUNDS, number>>;

export const LIMITS = Object.fromEntries(
  Object.entries(BOUNDS).map(([name, { value }]) => [name, value]),
) as Limits;
