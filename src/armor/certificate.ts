import type { PeerCertificate, TLSSocket } from "node:tls";
import { debug } from "../debug.ts";
import { quote } from "../redact.ts";
import { VERIFY_ERRORS } from "./verify-errors.ts";

/**
 * What a rejected certificate means, told behind `https://armor.example ` or `The proxy http://… `.
 */
export interface CertificateFault {
  readonly name: string; // OpenSSL's or Node's, such as CERT_HAS_EXPIRED
  readonly problem: string;
  readonly remedy: string;
}

/** Faults that share a cause and a remedy. */
interface Family {
  readonly names: ReadonlySet<string>;
  readonly problem?: string; // undefined: OpenSSL's words tell it
  readonly remedy: string;
}

/** Nobody should trust an authority only because an error names it. */
const PRIVATE_CA =
  "If the issuer is your own CA, or a proxy that inspects TLS, give its certificate as " +
  "ca-certificate. If you do not know it, ask who runs the network.";

const FAMILIES: readonly Family[] = [
  {
    names: new Set(["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN"]),
    problem: "has a certificate that is self-signed, or of a self-signed authority",
    remedy: PRIVATE_CA,
  },
  {
    names: new Set(["UNABLE_TO_GET_ISSUER_CERT"]),
    problem:
      "has a certificate that is not signed by an authority that this runner trusts: " +
      "the root of its chain is missing",
    remedy:
      "Give the root certificate of its private CA as ca-certificate, too: an intermediate one " +
      "alone is not enough.",
  },
  {
    names: new Set([
      "CERT_UNTRUSTED",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ]),
    problem: "has a certificate that is not signed by an authority that this runner trusts",
    remedy: `${PRIVATE_CA} A server with a public certificate has to send its whole chain.`,
  },
  {
    names: new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]),
    problem: "has a certificate that is expired or not valid yet",
    remedy:
      "Renew it on the server and check this runner's clock; ca-certificate does not help here.",
  },
  {
    names: new Set([
      "ERR_TLS_CERT_ALTNAME_FORMAT",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "HOSTNAME_MISMATCH",
      "IP_ADDRESS_MISMATCH",
    ]),
    problem: "has a certificate for another host name",
    remedy: "Use the name that the certificate has; ca-certificate does not help here.",
  },
  {
    names: new Set(["CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_KEY_TOO_SMALL"]),
    remedy:
      "Have it, or that of its authority, replaced: RSA keys of 2048 bits or more, and SHA-256 " +
      "instead of SHA-1. ca-certificate does not help here.",
  },
];

const OTHER_REMEDY =
  "Have it replaced on the server by one that OpenSSL accepts, with its whole chain.";

/**
 * OpenSSL can raise some of them amid the handshake, too: Node's code is then ERR_SSL_ and the
 * name.
 */
const RAISED_IN_HANDSHAKE: ReadonlySet<string> = new Set([
  "CA_KEY_TOO_SMALL",
  "CA_MD_TOO_WEAK",
  "CERTIFICATE_VERIFY_FAILED",
  "EE_KEY_TOO_SMALL",
]);

/** Names that a newer OpenSSL may bring. */
const NAME_OF_VERIFY_ERROR = /^(CERT|CRL|ERROR_IN|INVALID|OCSP|PATH_LENGTH|SUITE_B|UNABLE)_/;

/** @returns what is wrong with the certificate; undefined if this is no error of a certificate */
export function certificateFault(nodeCode: string, error: unknown): CertificateFault | undefined {
  const { message = "" } = error as Error;
  const name = nameOf(nodeCode, message);
  if (name === undefined) return undefined;
  const family = FAMILIES.find(({ names }) => names.has(name));
  const rejected = `has a certificate that was rejected${reasonOf(name, message)}`;
  return {
    name,
    problem: family?.problem ?? rejected,
    remedy: family?.remedy ?? OTHER_REMEDY,
  };
}

function nameOf(nodeCode: string, message: string): string | undefined {
  if (nodeCode === "UNSPECIFIED") {
    const found = [...VERIFY_ERRORS].find(([, words]) => words === message);
    return found?.[0] ?? nodeCode;
  }
  const raised = nodeCode.replace(/^ERR_SSL_/, "");
  if (RAISED_IN_HANDSHAKE.has(raised)) return raised;
  const isFamiliar = FAMILIES.some(({ names }) => names.has(nodeCode));
  const isKnown = isFamiliar || VERIFY_ERRORS.has(nodeCode) || NAME_OF_VERIFY_ERROR.test(nodeCode);
  return isKnown ? nodeCode : undefined;
}

/**
 * OpenSSL's words; Node's code UNSPECIFIED says nothing, so there the message does, which has them.
 */
function reasonOf(name: string, message: string): string {
  const words = name === "UNSPECIFIED" ? message : VERIFY_ERRORS.get(name);
  return words === undefined || words === "" ? "" : `: ${quote(words)}`;
}

/** An error with the certificate that it is about. Node itself adds it if the name is wrong. */
interface CertificateError extends NodeJS.ErrnoException {
  cert?: PeerCertificate;
}

/**
 * Keeps the peer's certificate for the error that rejects it, because Node has closed the socket by
 * the time at which it reports the error. Without it, nobody could tell whose certificate it was.
 */
export function watchCertificate(socket: TLSSocket): void {
  let certificate: PeerCertificate | undefined;
  // Node's own listener for this event rejects the certificate, so this one has to come before.
  socket.prependOnceListener("secure", () => {
    certificate = socket.getPeerCertificate();
  });
  const addCertificate = (error: CertificateError) => {
    const rejected = certificate;
    if (rejected === undefined) return;
    error.cert ??= rejected;
    debug(() => `TLS failed: ${error.code}, ${describe(rejected)}`);
  };
  socket.prependOnceListener("error", addCertificate);
  socket.once("secureConnect", () => {
    socket.off("error", addCertificate);
    debug(() => `${socket.getProtocol()}, ${describe(socket.getPeerCertificate())}`);
  });
}

function describe(certificate: PeerCertificate): string {
  const subject = nameIn(certificate.subject) ?? "nobody";
  const issuer = nameIn(certificate.issuer) ?? "nobody";
  return `certificate of "${subject}" by "${issuer}" until ${quote(String(certificate.valid_to))}`;
}

/**
 * @returns the name of whoever signed the certificate that was rejected, quoted; undefined if
 * nobody knows
 */
export function issuerOf(error: unknown): string | undefined {
  const { cert } = error as CertificateError;
  return cert === undefined ? undefined : nameIn(cert.issuer);
}

/** An attribute that is there twice is a list. */
type Attributes = Readonly<Record<string, string | string[] | undefined>>;

function nameIn(names: object | undefined): string | undefined {
  const attributes = (names ?? {}) as Attributes;
  const value = attributes["CN"] ?? attributes["O"] ?? attributes["OU"];
  if (value === undefined) return undefined;
  const text = quote([value].flat().join(", ")).replaceAll('"', "'");
  return text === "" ? undefined : text;
}
