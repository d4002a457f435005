import dns, { type LookupAddress } from "node:dns";
import net, { isIP, type Socket } from "node:net";
import { clock } from "../clock.ts";
import { debug } from "../debug.ts";

/**
 * `looking-up`: DNS has not said where the host, or the proxy, is. `connecting`: nothing has
 * accepted the connection, or the proxy has not opened the tunnel. `connected`: the way to Armor
 * stands, as it does from the start for a request on a kept connection.
 */
export type Stage = "looking-up" | "connecting" | "connected";

/**
 * How far the connection for one request has come. The agent writes it; who sends reads it and may
 * end it.
 */
export class Progress {
  stage: Stage = "connected";
  /** What DNS answered last, if that was an error: a code of Node's. */
  dnsCode: string | undefined;
  #isEnded = false;
  #giveUp: () => void = () => undefined;

  /** @param giveUp ends what is under way, at once if the request has ended already */
  onEnd(giveUp: () => void): void {
    this.#giveUp = giveUp;
    if (this.#isEnded) giveUp();
  }

  /**
   * Ends the look-up, the attempts or the CONNECT that is under way: the request needs no
   * connection any more.
   */
  end(): void {
    this.#isEnded = true;
    this.#giveUp();
  }
}

/** A host by its name or address, an IPv6 address without brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Connects to whichever address of the host answers first ("Happy Eyeballs", RFC 8305). Node's own
 * selection ends each attempt when it starts the next one, which no limit makes right both for a
 * host far away and for an address that swallows packets.
 * @throws the error of DNS, or of the attempt that tells most; the signal's reason at an abort
 */
export async function connect(
  endpoint: Endpoint,
  progress: Progress,
  signal: AbortSignal,
): Promise<Socket> {
  progress.stage = "looking-up";
  const addresses = await lookUp(endpoint.host, progress, signal);
  progress.stage = "connecting";
  return await new Race(alternate(addresses), endpoint.port, signal).run();
}

/**
 * For how long, in ms, a name that DNS does not know is asked for again. While a VPN or a
 * container's network comes up, names are unknown for a second or two, and the error is final for
 * the whole job.
 */
const UNKNOWN_NAME_MS = 5_000;
const FIRST_DNS_PAUSE_MS = 250;
const MAX_DNS_PAUSE_MS = 1_000;

/**
 * ENOTFOUND is a name that does not exist; EAI_AGAIN is a name server that says "not now", or none
 * at all.
 */
const MAY_BE_KNOWN_SOON: ReadonlySet<string> = new Set(["ENOTFOUND", "EAI_AGAIN"]);

/** @returns at least one address, in the order that --dns-result-order asks for */
async function lookUp(
  host: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  const beganAt = clock.now();
  let pauseMs = FIRST_DNS_PAUSE_MS;
  for (;;) {
    const askedAt = clock.now();
    const elapsed = () => `after ${Math.round(clock.now() - askedAt)} ms`;
    try {
      const addresses = await askDns(host, signal);
      debug(() => `DNS: ${host} is ${addresses.map(toText).join(", ")}, ${elapsed()}`);
      return addresses;
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code);
      if (!signal.aborted) progress.dnsCode = code;
      debug(
        () => `DNS: no address for ${host} (${signal.aborted ? "no answer" : code}), ${elapsed()}`,
      );
      const isLastTry = clock.now() + pauseMs - beganAt > UNKNOWN_NAME_MS;
      if (isLastTry || !MAY_BE_KNOWN_SOON.has(code)) throw error;
    }
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, MAX_DNS_PAUSE_MS);
  }
}

function toText({ address }: LookupAddress): string {
  return address;
}

/**
 * As Node's own connections ask; Windows gives no address for that hint where only loopback is up.
 */
const HINTS = process.platform === "win32" ? 0 : dns.ADDRCONFIG;

/** Nothing can end a question to the system, so at an abort its answer is left alone. */
function askDns(host: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    dns.lookup(host, { all: true, hints: HINTS }, (error, addresses) => {
      signal.removeEventListener("abort", onAbort);
      if (error !== null) reject(error);
      else if (addresses.length === 0) reject(unknownName(host));
      else resolve(addresses);
    });
  });
}

function unknownName(host: string): Error {
  return Object.assign(new Error(`no address for ${host}`), { code: "ENOTFOUND" });
}

/** The families in turn, beginning with that of the first address (RFC 8305 section 4). */
export function alternate(addresses: readonly LookupAddress[]): LookupAddress[] {
  const firstFamily = addresses[0]?.family;
  const preferred = addresses.filter(({ family }) => family === firstFamily);
  const others = addresses.filter(({ family }) => family !== firstFamily);
  const result: LookupAddress[] = [];
  while (preferred.length > 0 || others.length > 0) {
    result.push(...preferred.splice(0, 1), ...others.splice(0, 1));
  }
  return result;
}

/** One connection by the first of these addresses that accepts it. */
class Race {
  readonly #addresses: LookupAddress[]; // that were not tried yet
  readonly #port: number;
  readonly #signal: AbortSignal;
  readonly #attempts = new Set<Socket>(); // that are under way
  readonly #failures: Error[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(addresses: readonly LookupAddress[], port: number, signal: AbortSignal) {
    this.#addresses = [...addresses];
    this.#port = port;
    this.#signal = signal;
  }

  async run(): Promise<Socket> {
    this.#signal.throwIfAborted();
    const { promise, resolve, reject } = withResolvers<Socket>();
    const onAbort = () => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", onAbort, { once: true });
    try {
      this.#startNext(resolve, reject);
      return await promise;
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      clearTimeout(this.#timer);
      for (const loser of this.#attempts) loser.destroy();
    }
  }

  /** Starts one more attempt, which ends none of the others, and sees to the one after it. */
  #startNext(won: (socket: Socket) => void, lost: (error: Error) => void): void {
    clearTimeout(this.#timer);
    const next = this.#addresses.shift();
    if (next === undefined) return;
    const { address, family } = next;
    const beganAt = clock.now();
    const elapsed = () => `${Math.round(clock.now() - beganAt)} ms`;
    const socket = net.connect({
      host: address,
      port: this.#port,
      family,
      noDelay: true,
      // A long report may take minutes to begin, and what is silent for so long a NAT forgets.
      keepAlive: true,
      keepAliveInitialDelay: 1_000,
    });
    this.#attempts.add(socket);
    const onError = (error: Error) => {
      debug(() => `${address} port ${this.#port}: ${error.message}, after ${elapsed()}`);
      this.#attempts.delete(socket);
      this.#failures.push(error);
      const isLast = this.#attempts.size === 0 && this.#addresses.length === 0;
      if (isLast) lost(mostTelling(this.#failures));
      else this.#startNext(won, lost);
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      debug(() => `${address} port ${this.#port}: connected in ${elapsed()}`);
      this.#attempts.delete(socket);
      socket.off("error", onError);
      won(socket);
    });
    // RFC 8305 section 5 recommends 250 ms, which is Node's default for its own selection, too.
    // Users may set it by --network-family-autoselection-attempt-timeout.
    const delayMs = net.getDefaultAutoSelectFamilyAttemptTimeout();
    this.#timer = setTimeout(() => this.#startNext(won, lost), delayMs);
  }
}

/** What a machine says of an address whose family it does not have, or to which it has no route. */
const NO_ROUTE: ReadonlySet<string> = new Set([
  "EADDRNOTAVAIL",
  "EAFNOSUPPORT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** @returns whether this machine has no way to an IPv6 address: it lacks IPv6, or a route there */
export function lacksIpv6(error: unknown): boolean {
  const { code = "", address = "" } = error as { code?: string; address?: string };
  return NO_ROUTE.has(code) && isIP(address) === 6;
}

/** On a machine without IPv6, what the IPv4 address says is what a user can mend. */
function mostTelling(failures: readonly Error[]): Error {
  const isReached = ({ code = "" }: NodeJS.ErrnoException) => !NO_ROUTE.has(code);
  const failure =
    failures.find(isReached) ?? failures.find((one) => !lacksIpv6(one)) ?? failures[0];
  return failure ?? new Error("no address was tried");
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
