import type { ErrorCode } from "../errors.ts";
import { certificateFault, issuerOf } from "./certificate.ts";
import { lacksIpv6 } from "./connecting.ts";

/** How a user is told of one family of errors. */
export interface Fault {
  readonly code: ErrorCode;
  readonly problem: string; // goes on behind `https://armor.example ` or `The proxy http://… `
  readonly remedy: string;
}

/** The faults of the codes of Node and OpenSSL that match. */
interface Family extends Fault {
  readonly nodeCodes: RegExp;
}

const CHECK_PORT = "Check the scheme, the host and the port of its address.";
const CHECK_WAY =
  "Check what stands between this runner and Armor, such as a proxy or load balancer.";

/** The first match counts, so a family stands behind its special cases. */
const FAMILIES: readonly Family[] = [
  {
    nodeCodes: /^(EMFILE|ENFILE|ENOBUFS|EADDRNOTAVAIL)$/,
    code: "connection_failed",
    problem: "cannot be connected to, because this runner has no free file or port",
    remedy: "Check the limit of open files (ulimit -n) and what else runs on this machine.",
  },
  {
    nodeCodes: /ALERT_(.*CERTIFICATE|UNKNOWN_CA)/,
    code: "tls_failed",
    problem: "asks for a client certificate, which this action does not send",
    remedy: "Use an address that takes the client app's key alone.",
  },
  {
    nodeCodes: /WRONG_VERSION|PACKET_LENGTH|UNKNOWN_PROTOCOL/,
    code: "tls_failed",
    problem: "does not speak TLS",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^(EPROTO$|ERR_(SSL|TLS|OSSL)_)/,
    code: "tls_failed",
    problem: "and this runner have no TLS version or cipher in common, or TLS was cut off",
    remedy:
      "Check the server's TLS settings, the port, and whether a client certificate is wanted.",
  },
  {
    nodeCodes: /^HPE_HEADER_OVERFLOW$/,
    code: "reply_invalid",
    problem: "answered with headers of more than 16 KB",
    remedy: CHECK_WAY,
  },
  {
    nodeCodes: /^HPE_(INVALID_(CONSTANT|VERSION)|STRICT)$/,
    code: "reply_invalid",
    problem: "answered with something that is not HTTP",
    remedy: CHECK_PORT,
  },
  {
    nodeCodes: /^HPE_/,
    code: "reply_invalid",
    problem:
      "answered with HTTP that contradicts itself, or with a reply that this action does not take",
    remedy: CHECK_WAY,
  },
];

/** @returns what an error of a connection means, with its code; undefined if no family knows it */
export function faultOf(error: unknown): Fault | undefined {
  const nodeCode = codeOf(error);
  if (lacksIpv6(error)) {
    return {
      code: "connection_failed",
      problem: `has an IPv6 address, and this runner has no way there by IPv6 (${nodeCode})`,
      remedy: "Use a name or an address with IPv4, or give this runner (or its container) IPv6.",
    };
  }
  const rejected = certificateFault(nodeCode, error);
  if (rejected !== undefined) {
    const issuer = issuerOf(error);
    const whose = issuer === undefined ? "" : `; its issuer is "${issuer}"`;
    const problem = `${rejected.problem} (${rejected.name})${whose}`;
    return { code: "certificate_rejected", problem, remedy: rejected.remedy };
  }
  const family = FAMILIES.find(({ nodeCodes }) => nodeCodes.test(nodeCode));
  if (family === undefined) return undefined;
  const { code, problem, remedy } = family;
  return { code, problem: `${problem} (${nodeCode})`, remedy };
}

/**
 * OpenSSL's reason is in Node's text only: `write EPROTO …:error:CODE:…:…:wrong version number:…`
 */
const OPENSSL_REASON = /:error:\w+:[^:]*:[^:]*:(?<reason>[\w /]+):/;

/**
 * @returns the code that Node or OpenSSL gave this error; "" if there is none that can be printed
 */
export function codeOf(error: unknown): string {
  const { name, code, message = "" } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || name === "TimeoutError") return "ETIMEDOUT";
  const reason = code === "EPROTO" ? OPENSSL_REASON.exec(message)?.groups?.["reason"] : undefined;
  if (reason !== undefined) return `ERR_SSL_${reason.toUpperCase().replaceAll(" ", "_")}`;
  // The slash is for ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE.
  return typeof code === "string" && /^[\w/]+$/.test(code) ? code : "";
}
