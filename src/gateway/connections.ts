import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { clock } from "../clock.ts";
import type { Limits } from "./bounds.ts";

/** A request, with what it needs to be answered. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean; // the client waits for 100 Continue (RFC 9110 section 10.1.1)
}

/** What is known of one connection. */
export class Connection {
  readonly socket: Duplex;
  readonly since: number; // when it was opened, by the monotonic clock, in ms
  readonly turn: number; // the turn of the event loop in which it was opened
  admittedAt: number | undefined; // when its last request was admitted; undefined: none was, or one was refused
  isRefused = false; // it has had its refusal, and no further request of it is served
  lastResponse: ServerResponse | undefined; // to the request that is being served, or was served last
  readonly line: Exchange[] = []; // requests that came before the reply to the one before them was out
  isOverfull = false; // its line was full, so that its last request is refused and what follows is dropped
  requestsHeld = 0; // those in line, and those that came when its line was full
  bytesHeld = 0; // of their heads
  letsGoAtClose = false; // whether what is held is let go of when the connection closes

  constructor(socket: Duplex, since: number, turn: number) {
    this.socket = socket;
    this.since = since;
    this.turn = turn;
  }

  get isReplying(): boolean {
    return this.lastResponse !== undefined && !this.lastResponse.closed;
  }
}

/** After so many turns of the event loop, what a client sent when it connected has been read. */
const TURNS_TO_READ = 2;

/** The server's connections, and which of them are closed when there are too many. */
export class Connections {
  readonly #limits: Limits;
  readonly #all = new Map<Duplex, Connection>();
  /**
   * Those without an admitted request, in the order in which they came, and behind them those that
   * were refused, in the order of their refusals.
   */
  readonly #strangers = new Set<Connection>();
  #turn = 0; // of the event loop; counts only those in which connections are opened
  #isTurnCounted = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Takes a new connection, and makes room for it or closes it. */
  open(socket: Duplex): void {
    this.#countTurn();
    const connection = new Connection(socket, clock.now(), this.#turn);
    this.#all.set(socket, connection);
    this.#strangers.add(connection);
    socket.once("close", () => this.#forget(connection));
    const tooMany = this.#strangers.size - this.#limits.maxWaiting;
    if (tooMany > 0) this.#closeStrangers(tooMany, ({ since }) => this.#isOld(since));
    if (this.#all.size > this.#limits.maxConnections) this.#makeRoomFor(connection);
  }

  /** @returns undefined for a connection that has been closed */
  find(socket: Duplex): Connection | undefined {
    return this.#all.get(socket);
  }

  admit(connection: Connection): void {
    this.#strangers.delete(connection);
    connection.admittedAt = clock.now();
  }

  /** From now on it counts as one that waits: what follows a refusal is not served. */
  refuse(connection: Connection): void {
    connection.isRefused = true;
    connection.admittedAt = undefined;
    this.#strangers.add(connection);
  }

  /**
   * Closes one that waits, else one that is idle, else the new one. So a call of the job gets
   * through a flood: a stranger goes as soon as it could have sent its request.
   */
  #makeRoomFor(connection: Connection): void {
    const hadItsTurn = ({ turn }: Connection) => this.#turn - turn >= TURNS_TO_READ;
    if (this.#closeStrangers(1, hadItsTurn)) return;
    if (this.#closeIdle()) return;
    this.#close(connection);
  }

  /** Closes the first ones of those that may be closed. @returns whether it closed any */
  #closeStrangers(count: number, mayClose: (connection: Connection) => boolean): boolean {
    let closed = 0;
    for (const connection of this.#strangers) {
      if (closed === count || !mayClose(connection)) break;
      this.#close(connection);
      closed += 1;
    }
    return closed > 0;
  }

  /**
   * Closes one that had an admitted request whose reply is complete, and that has not sent another.
   */
  #closeIdle(): boolean {
    for (const connection of this.#all.values()) {
      const { admittedAt } = connection;
      if (admittedAt === undefined || connection.isReplying || !this.#isOld(admittedAt)) continue;
      this.#close(connection);
      return true;
    }
    return false;
  }

  #countTurn(): void {
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    setImmediate(() => {
      this.#turn += 1;
      this.#isTurnCounted = false;
    });
  }

  #isOld(since: number): boolean {
    return clock.now() - since >= this.#limits.minWaitMs;
  }

  #close(connection: Connection): void {
    this.#forget(connection);
    connection.socket.destroy();
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection.socket);
    this.#strangers.delete(connection);
  }
}
