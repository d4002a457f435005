import type tls from "node:tls";
import { describe, expect, test } from "@jest/globals";
import { createSend } from "../../src/armor/http.ts";
import { networkError } from "../../src/armor/network-error.ts";
import { trustCertificates } from "../../src/armor/trust.ts";
import { VERIFY_ERRORS } from "../../src/armor/verify-errors.ts";
import type { ArmorError } from "../../src/errors.ts";
import * as chains from "../fixtures/chains.ts";
import { nameHere } from "../fixtures/names.ts";
import { disposable } from "../fixtures/opened.ts";
import { startServer, text } from "../fixtures/server.ts";

const HOST = "armor.corp.test";
const url = new URL(`https://${HOST}/x`);
const state = { url, proxy: undefined, isReplying: false };

describe("every reason that OpenSSL has", () => {
  test("is known: none is missing of those that x509_vfy.h of OpenSSL 3.0 to 3.5 defines", () => {
    // OpenSSL 3.0 has 94, and 3.5 one more; a release that takes one away is not known.
    expect(VERIFY_ERRORS.size).toBeGreaterThanOrEqual(95);
    expect(new Set(VERIFY_ERRORS.values()).size).toBe(VERIFY_ERRORS.size);
  });

  test.each([...VERIFY_ERRORS])("%s is the certificate's, and final: by Node's code", (name) => {
    const error = Object.assign(new Error(VERIFY_ERRORS.get(name)), { code: name });
    const { code, problem, canPass } = networkError(error, state);
    expect({ code, canPass }).toEqual({ code: "certificate_rejected", canPass: false });
    expect(problem).toMatch(new RegExp(`^https://${HOST} has a certificate .*\\(${name}\\)$`));
  });

  test.each([...VERIFY_ERRORS])("%s is it, too, if Node knows no code for it", (name, words) => {
    const error = Object.assign(new Error(words), { code: "UNSPECIFIED" });
    const { code, problem } = networkError(error, state);
    expect(code).toBe("certificate_rejected");
    expect(problem).toMatch(new RegExp(`\\(${name}\\)$`));
  });

  test("is told in OpenSSL's words, also those that are new to this action", () => {
    const known = Object.assign(new Error("permitted subtree violation"), { code: "UNSPECIFIED" });
    expect(networkError(known, state).problem).toBe(
      `https://${HOST} has a certificate that was rejected: permitted subtree violation (PERMITTED_VIOLATION)`,
    );
    const unknown = Object.assign(new Error("new::words\n of it"), { code: "UNSPECIFIED" });
    expect(networkError(unknown, state).problem).toBe(
      `https://${HOST} has a certificate that was rejected: new:words of it (UNSPECIFIED)`,
    );
  });

  test.each([
    "EE_KEY_TOO_SMALL",
    "CA_KEY_TOO_SMALL",
    "CA_MD_TOO_WEAK",
    "CERTIFICATE_VERIFY_FAILED",
  ])("%s is it, too, if OpenSSL raises it amid the handshake", (name) => {
    const error = Object.assign(new Error(name), { code: `ERR_SSL_${name}` });
    expect(networkError(error, state).code).toBe("certificate_rejected");
  });
});

/** What is wrong, what the server sends, what is trusted beside Node's own, and what is said. */
interface Row {
  readonly title: string;
  readonly make: () => Promise<{ served: tls.TlsOptions; trusted: string }>;
  readonly says: string;
  readonly issuer: string;
}

const root = await chains.sign({ subject: "CN=Corp Root", extensions: chains.authority() });
const trusted = chains.pem(root);
const leafOptions = { subject: "CN=server", by: root, extensions: [chains.namesOf(HOST)] };

async function chainOf(middleExtensions: Parameters<typeof chains.sign>[0]["extensions"] = []) {
  const middle = await chains.sign({
    subject: "CN=Corp Middle",
    by: root,
    extensions: middleExtensions,
  });
  const leaf = await chains.sign({ ...leafOptions, by: middle });
  return { middle, leaf };
}

const ROWS: readonly Row[] = [
  {
    title: "an RSA key of 1024 bits",
    make: async () => {
      const leaf = await chains.sign({ ...leafOptions, signing: chains.rsa(1024) });
      return { served: await chains.served(leaf), trusted };
    },
    says: "rejected: EE certificate key too weak (EE_KEY_TOO_SMALL)",
    issuer: "Corp Root",
  },
  {
    title: "an authority with an RSA key of 1024 bits",
    make: async () => {
      const weak = await chains.sign({
        subject: "CN=Weak",
        signing: chains.rsa(1024),
        extensions: chains.authority(),
      });
      const leaf = await chains.sign({ ...leafOptions, by: weak });
      return { served: await chains.served(leaf), trusted: chains.pem(weak) };
    },
    says: "rejected: CA certificate key too weak (CA_KEY_TOO_SMALL)",
    issuer: "Weak",
  },
  {
    title: "a signature with SHA-1",
    make: async () => {
      const old = await chains.sign({
        subject: "CN=Old",
        signing: chains.rsa(2048, "SHA-1"),
        extensions: chains.authority(),
      });
      const leaf = await chains.sign({ ...leafOptions, by: old });
      return { served: await chains.served(leaf), trusted: chains.pem(old) };
    },
    says: "rejected: CA signature digest algorithm too weak (CA_MD_TOO_WEAK)",
    issuer: "Old",
  },
  {
    title: "a name outside what its authority may sign",
    make: async () => {
      const narrow = await chains.sign({
        subject: "CN=Narrow",
        extensions: [...chains.authority(), chains.onlyExampleCom()],
      });
      const middle = await chains.sign({
        subject: "CN=M",
        by: narrow,
        extensions: chains.authority(),
      });
      const leaf = await chains.sign({ ...leafOptions, by: middle });
      return { served: await chains.served(leaf, middle), trusted: chains.pem(narrow) };
    },
    says: "rejected: permitted subtree violation (PERMITTED_VIOLATION)",
    issuer: "M",
  },
  {
    title: "a critical extension that nobody knows",
    make: async () => {
      const extensions = [...leafOptions.extensions, chains.unknownCritical()];
      return {
        served: await chains.served(await chains.sign({ ...leafOptions, extensions })),
        trusted,
      };
    },
    says: "rejected: unhandled critical extension (UNHANDLED_CRITICAL_EXTENSION)",
    issuer: "Corp Root",
  },
  {
    title: "a chain longer than an authority allows",
    make: async () => {
      const short = await chains.sign({ subject: "CN=Short", extensions: chains.authority(0) });
      const middle = await chains.sign({
        subject: "CN=M",
        by: short,
        extensions: chains.authority(),
      });
      const leaf = await chains.sign({ ...leafOptions, by: middle });
      return { served: await chains.served(leaf, middle), trusted: chains.pem(short) };
    },
    says: "rejected: path length constraint exceeded (PATH_LENGTH_EXCEEDED)",
    issuer: "M",
  },
  {
    title: "a certificate for clients only",
    make: async () => {
      const extensions = [...leafOptions.extensions, chains.forClientsOnly()];
      return {
        served: await chains.served(await chains.sign({ ...leafOptions, extensions })),
        trusted,
      };
    },
    says: "rejected: unsuitable certificate purpose (INVALID_PURPOSE)",
    issuer: "Corp Root",
  },
  {
    title: "an authority that is none",
    make: async () => {
      const { middle, leaf } = await chainOf(chains.noAuthority());
      return { served: await chains.served(leaf, middle), trusted };
    },
    says: "rejected: unsuitable certificate purpose (INVALID_PURPOSE)",
    issuer: "Corp Middle",
  },
  {
    title: "an intermediate authority that is trusted alone",
    make: async () => {
      const { middle, leaf } = await chainOf(chains.authority());
      return { served: await chains.served(leaf), trusted: chains.pem(middle) };
    },
    says: "trusts: the root of its chain is missing (UNABLE_TO_GET_ISSUER_CERT)",
    issuer: "Corp Middle",
  },
  {
    title: "an intermediate authority that is trusted alone, and sent",
    make: async () => {
      const { middle, leaf } = await chainOf(chains.authority());
      return { served: await chains.served(leaf, middle), trusted: chains.pem(middle) };
    },
    says: "trusts: the root of its chain is missing (UNABLE_TO_GET_ISSUER_CERT)",
    issuer: "Corp Middle",
  },
  {
    title: "an inspecting proxy's own authority, which it sends",
    make: async () => {
      const corp = await chains.sign({
        subject: "CN=Corp Inspection CA",
        extensions: chains.authority(),
      });
      const leaf = await chains.sign({ ...leafOptions, by: corp });
      return { served: await chains.served(leaf, corp), trusted };
    },
    says: "self-signed, or of a self-signed authority (SELF_SIGNED_CERT_IN_CHAIN)",
    issuer: "Corp Inspection CA",
  },
  {
    title: "another host name",
    make: async () => {
      const extensions = [chains.namesOf("other.test")];
      return {
        served: await chains.served(await chains.sign({ ...leafOptions, extensions })),
        trusted,
      };
    },
    says: "for another host name (ERR_TLS_CERT_ALTNAME_INVALID)",
    issuer: "Corp Root",
  },
];

describe("over TLS", () => {
  test.each(ROWS)("$title is told at once, with the issuer", async ({ make, says, issuer }) => {
    const { served, trusted: authority } = await make();
    const failure = await failureWith(served, authority);
    expect(failure.code).toBe("certificate_rejected");
    expect(failure.problem).toContain(`${says}; its issuer is "${issuer}"`);
  });

  test("an issuer's words are harmless: quoted, and cut", async () => {
    const name = `"::error::${"x".repeat(500)}`;
    const evil = await chains.sign({
      subject: `CN=${name.replace(/"/g, '\\"')}`,
      extensions: chains.authority(),
    });
    const leaf = await chains.sign({ ...leafOptions, by: evil });
    const { problem } = await failureWith(await chains.served(leaf), trusted);
    expect(problem).toMatch(/; its issuer is "':error:x{150,200}…"$/);
  });
});

async function failureWith(served: tls.TlsOptions, authority: string): Promise<ArmorError> {
  // OpenSSL would not even serve weak certificates otherwise.
  const options = { ciphers: "DEFAULT:@SECLEVEL=0", ...served } as { key: string; cert: string };
  await using server = await startServer([text(200, "")], { tls: options });
  await using _names = nameHere({ [HOST]: [["127.0.0.1"]] });
  trustCertificates([authority]);
  await using _trust = disposable({}, () => trustCertificates([]));
  const request = { url: new URL(`https://${HOST}:${server.port}/x`), headers: {}, body: "" };
  const sent = createSend({ noProxy: "" })(request, AbortSignal.timeout(15_000));
  const failure = await sent.then(
    () => new Error("there was no failure"),
    (error: ArmorError) => error,
  );
  expect(server.requests).toEqual([]);
  return failure as ArmorError;
}
