import { X509Certificate } from "node:crypto";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";
/** Older tools write `X509 CERTIFICATE` (RFC 7468 section 5.1). */
const BLOCK =
  /-----BEGIN (?:X509 )?CERTIFICATE-----(?<body>[^-]+)-----END (?:X509 )?CERTIFICATE-----/g;
/**
 * What may stand between the lines of base64, beside blanks: line ends and tabs as JSON,
 * environment files, workflow commands (`%0A`) and URLs escape them, the backslash of a line that
 * goes on or of `\/`, and the quotation marks and commas of a list of lines. Base64 has none of
 * these signs.
 */
const BETWEEN = /\s+|\\+(?:u000[ad]|[nrt])?|%0[ad]|["',\u200b]/gi;
const LINE = /.{1,64}/g; // RFC 7468 section 2

/** Certificates in a text, or the first thing that is wrong with it. */
export type CertificatesIn =
  | { readonly certificates: readonly string[] } // PEM, one each, in lines of 64 characters
  | { readonly problem: string }; // a sentence without its full stop

/**
 * Reads the PEM certificates in the input ca-certificate, between which there may be other lines.
 * The line ends inside a certificate may be lost, escaped, folded to blanks, or indented: base64
 * means the same without them.
 */
export function readCertificates(text: string): CertificatesIn {
  const blocks = [...text.matchAll(BLOCK)].map(({ groups }) => groups?.["body"] ?? "");
  const begun = text.split("-----BEGIN").length - 1;
  if (blocks.length === 0 || blocks.length !== begun)
    return { problem: "ca-certificate is not PEM" };
  const certificates: string[] = [];
  for (const [index, body] of blocks.entries()) {
    const lines = body.replace(BETWEEN, "").match(LINE) ?? [];
    const certificate = [BEGIN, ...lines, END].join("\n");
    if (!isCertificate(certificate))
      return {
        problem: `ca-certificate: certificate ${index + 1} of ${blocks.length} cannot be read`,
      };
    certificates.push(certificate);
  }
  return { certificates };
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
