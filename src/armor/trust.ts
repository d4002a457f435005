import tls from "node:tls";
import { ArmorError } from "../errors.ts";

/** undefined: what Node trusts, and nothing else. */
let contextWithMore: tls.SecureContext | undefined;

/** What Node's SecureContext holds inside: Node's own `ca` option is added by this method, too. */
interface NativeContext {
  addCACert?: (pem: string) => void;
}

/**
 * From now on, connections to Armor and to proxies trust these (PEM, one certificate each) beside
 * what Node trusts by its defaults, flags and environment. Node has no documented way to add: its
 * `ca` option replaces the defaults, and `tls.getCACertificates("default")`, from which a whole
 * list could be made, leaves out OpenSSL's own store, which --use-openssl-ca and the Node of some
 * distributions use.
 * @throws ArmorError runner_unsupported if this Node cannot add
 */
export function trustCertificates(certificates: readonly string[]): void {
  contextWithMore = undefined;
  if (certificates.length === 0) return;
  const secureContext = tls.createSecureContext();
  const native = secureContext.context as NativeContext;
  if (typeof native.addCACert !== "function") {
    const node = `this runner's Node ${process.version}`;
    const problem = `ca-certificate cannot be added to what ${node} trusts`;
    const remedy =
      "Use the Node that comes with the runner, or name the file in NODE_EXTRA_CA_CERTS.";
    throw new ArmorError("runner_unsupported", problem, remedy);
  }
  for (const certificate of certificates) native.addCACert(certificate);
  contextWithMore = secureContext;
}

/**
 * @returns the options with which TLS trusts what `trustCertificates` was given; a check is never
 * left out
 */
export function trustOptions(): tls.ConnectionOptions {
  const options: tls.ConnectionOptions = { rejectUnauthorized: true };
  if (contextWithMore !== undefined) options.secureContext = contextWithMore;
  return options;
}
