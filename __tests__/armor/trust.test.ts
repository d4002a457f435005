import tls from "node:tls";
import { expect, jest, test } from "@jest/globals";
import { trustCertificates, trustOptions } from "../../src/armor/trust.ts";
import { createAuthority } from "../fixtures/certificates.ts";
import { disposable } from "../fixtures/opened.ts";

test("verification is on, with and without certificates", async () => {
  expect(trustOptions()).toEqual({ rejectUnauthorized: true });
  trustCertificates([(await createAuthority("Corp CA")).certificate]);
  await using _trust = disposable({}, () => trustCertificates([]));
  expect(trustOptions()).toEqual({ rejectUnauthorized: true, secureContext: expect.anything() });
});

test("an empty list trusts what Node trusts, and nothing that was given before", async () => {
  trustCertificates([(await createAuthority("Corp CA")).certificate]);
  trustCertificates([]);
  expect(trustOptions()).toEqual({ rejectUnauthorized: true });
});

test("a Node that cannot add is told, and how to do without", async () => {
  const creating = jest.spyOn(tls, "createSecureContext");
  await using _mock = disposable({}, () => creating.mockRestore());
  creating.mockReturnValue({ context: {} } as tls.SecureContext);
  expect(() => trustCertificates(["PEM"])).toThrow(
    expect.objectContaining({
      code: "runner_unsupported",
      message: expect.stringMatching(
        /^ca-certificate cannot be added to what .* Node v[\d.]+ trusts\. .*NODE_EXTRA_CA_CERTS\.$/,
      ),
    }),
  );
  expect(trustOptions()).toEqual({ rejectUnauthorized: true });
});
