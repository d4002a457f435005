import { describe, expect, test } from "@jest/globals";
import { isLoopback } from "../../src/armor/host.ts";
import { proxyFor, takeRoute } from "../../src/armor/proxy.ts";

describe("takeRoute", () => {
  test.each([
    ["nothing", {}, { noProxy: "" }],
    [
      "https_proxy",
      { https_proxy: "p" },
      { proxy: { variable: "https_proxy", value: "p" }, noProxy: "" },
    ],
    [
      "HTTPS_PROXY",
      { HTTPS_PROXY: "p" },
      { proxy: { variable: "HTTPS_PROXY", value: "p" }, noProxy: "" },
    ],
    [
      "small letters before capitals",
      { https_proxy: "a", HTTPS_PROXY: "b", no_proxy: "c", NO_PROXY: "d" },
      { proxy: { variable: "https_proxy", value: "a" }, noProxy: "c" },
    ],
    [
      "an empty variable as if it were not set",
      { https_proxy: "", HTTPS_PROXY: "b", no_proxy: "", NO_PROXY: "d" },
      { proxy: { variable: "HTTPS_PROXY", value: "b" }, noProxy: "d" },
    ],
    [
      "a value that is only a blank as a value",
      { https_proxy: " " },
      { proxy: { variable: "https_proxy", value: " " }, noProxy: "" },
    ],
    [
      "no other variable",
      { all_proxy: "a", ALL_PROXY: "b", http_proxy: "c", HTTP_PROXY: "d" },
      { noProxy: "" },
    ],
  ])("reads %s", (_, env, expected) => {
    expect(takeRoute({ ...env })).toEqual(expected);
  });

  test("removes what it reads, and nothing else", () => {
    const env = {
      https_proxy: "a",
      HTTPS_PROXY: "b",
      no_proxy: "c",
      NO_PROXY: "d",
      http_proxy: "e",
      X: "f",
    };
    takeRoute(env);
    expect(env).toEqual({ http_proxy: "e", X: "f" });
  });
});

function proxyOf(value: string, url = "https://armor.example/x", noProxy = "") {
  return proxyFor(new URL(url), { proxy: { variable: "https_proxy", value }, noProxy });
}

describe("the proxy's address", () => {
  test.each<[value: string, origin: string, credentials?: string]>([
    ["http://proxy.example:3128", "http://proxy.example:3128"],
    ["HTTP://PROXY.example:3128/", "http://proxy.example:3128"],
    ["proxy.example:3128", "http://proxy.example:3128"],
    ["proxy.example", "http://proxy.example:80"],
    ["localhost:1", "http://localhost:1"],
    ["https://proxy.example", "https://proxy.example:443"],
    ["http://10.0.0.1:65535", "http://10.0.0.1:65535"],
    ["http://[::1]:3128", "http://[::1]:3128"],
    ["[2001:DB8::1]:3128", "http://[2001:db8::1]:3128"],
    ["http://my_proxy:3128", "http://my_proxy:3128"],
    ["http://@proxy.example", "http://proxy.example:80"],
    ["http://user:pass@proxy.example", "http://proxy.example:80", "user:pass"],
    ["user:pass@proxy.example:3128", "http://proxy.example:3128", "user:pass"],
    ["http://user@proxy.example", "http://proxy.example:80", "user:"],
    ["http://:pass@proxy.example", "http://proxy.example:80", ":pass"],
    ["http://us%40er:p%25%3A%23%2F@proxy.example", "http://proxy.example:80", "us@er:p%:#/"],
    ["http://user:a:b:c@proxy.example", "http://proxy.example:80", "user:a:b:c"],
    ["http://user:p%C3%A4ss@proxy.example", "http://proxy.example:80", "user:päss"],
    [
      "http://dom%5Cuser:!$&'()*+,;=@proxy.example",
      "http://proxy.example:80",
      "dom\\user:!$&'()*+,;=",
    ],
  ])("%s is understood", (value, ...[origin, credentials]) => {
    expect(proxyOf(value)).toEqual({ origin, ...(credentials && { credentials }) });
  });

  const ENCODED = "user or password holds a character that must be percent-encoded";
  const ADDRESS = "after the scheme there must be a host name and a port, and nothing else";
  const ASCII = "it contains a blank or a character outside ASCII";
  test.each([
    [" http://proxy.example", ASCII],
    ["http://proxy.example ", ASCII],
    ["http://my proxy:3128", ASCII],
    ["http://proxy.example:3128\n", ASCII],
    ["http://pröxy.example:3128", ASCII],
    ["http://user:pä55@proxy.example", ASCII],
    ["http://user:S3cr3t#x@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t/x@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t\\x@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t?x@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t@x@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t%zz@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t100%@proxy.example:3128", ENCODED],
    ["http://user:S3cr3t%E4@proxy.example:3128", ENCODED],
    ["socks5://proxy.example:1080", "only http:// and https:// are supported"],
    ["socks5h://user:S3cr3t@proxy.example:1080", "only http:// and https:// are supported"],
    ["S3cr3t://proxy.example", "only http:// and https:// are supported"],
    ["http://proxy.example:99999", "the port is not between 1 and 65535"],
    ["http://proxy.example:0", "the port is not between 1 and 65535"],
    ["http://proxy.example:123456", ADDRESS],
    ["http://proxy.example:", ADDRESS],
    ["http://proxy.example:port", ADDRESS],
    ["http://proxy.example:3128/path", ADDRESS],
    ["http://proxy.example:3128?S3cr3t", ADDRESS],
    ["http://proxy.example:3128#S3cr3t", ADDRESS],
    ["http://user:S3cr3t/proxy.example", ADDRESS],
    ["http://", ADDRESS],
    ["http://user:S3cr3t@", ADDRESS],
    ["http://:3128", ADDRESS],
    ["http:/proxy.example:3128", ADDRESS],
    ["//proxy.example:3128", ADDRESS],
    ["http://::1:3128", ADDRESS],
    ["http://[::1]3128", ADDRESS],
    ["http://[::g]:3128", ADDRESS],
    ["http://[1::2::3]:3128", ADDRESS],
    ["http://256.1.1.1:3128", ADDRESS],
    ["http://a.example,b.example", ADDRESS],
    ['"http://proxy.example:3128"', ADDRESS],
    ["direct://", ADDRESS],
  ])("%j is refused, and not repeated", (value, cause) => {
    expect(() => proxyOf(value)).toThrow(
      expect.objectContaining({
        code: "proxy_refused",
        problem: `The variable https_proxy is not a valid proxy address: ${cause}`,
        remedy: expect.stringMatching(
          /^Give it as http:.* percent-encoded \(# is %23, \/ is %2F, % is %25\)\.$/,
        ),
        message: expect.not.stringContaining("S3cr3t"),
      }),
    );
  });

  test("it is not asked for where no proxy is set", () => {
    expect(proxyFor(new URL("https://armor.example"), { noProxy: "" })).toBeUndefined();
  });
});

describe("no proxy", () => {
  test.each([
    ["localhost", true],
    ["127.0.0.1", true],
    ["127.1.2.3", true],
    ["127.10.10.200", true],
    ["[::1]", true],
    ["localhost.example", false],
    ["127.0.0.1.example", false],
    ["[::2]", false],
    ["128.0.0.1", false],
  ])("for a loopback host: %s is %p", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
    expect(proxyOf("http://p:1", `https://${host}/`) === undefined).toBe(expected);
  });

  const NAME = "https://api.armor.example/x";
  const V4 = "https://10.1.2.3:8443/x";
  const V6 = "https://[2001:db8::7]/x";
  test.each([
    // names
    ["api.armor.example", NAME, true],
    ["API.Armor.EXAMPLE", NAME, true],
    ["armor.example", NAME, true],
    [".armor.example", NAME, true],
    [".api.armor.example", NAME, true],
    ["*.armor.example", NAME, true],
    ["example", NAME, true],
    ["armor.example.", NAME, true],
    ["armor.example", "https://api.armor.example./x", true],
    ["rmor.example", NAME, false],
    ["www.armor.example", NAME, false],
    ["api.armor.example.com", NAME, false],
    ["api.*.example", NAME, false],
    ["*", NAME, true],
    ["**", NAME, false],
    [".", NAME, false],
    ["*.", NAME, false],
    // lists
    ["a.example,armor.example", NAME, true],
    ["a.example, armor.example ", NAME, true],
    ["a.example armor.example", NAME, true],
    ["a.example\tarmor.example,,", NAME, true],
    ["a.example,*", NAME, true],
    ["a.example;armor.example", NAME, false],
    ["", NAME, false],
    [" , ,", NAME, false],
    // ports
    ["armor.example:443", NAME, true],
    ["armor.example:0443", NAME, true],
    ["armor.example:8443", NAME, false],
    ["armor.example:8443", "https://api.armor.example:8443/x", true],
    ["armor.example:", NAME, false],
    ["armor.example:https", NAME, false],
    ["10.1.2.3:8443", V4, true],
    ["10.1.2.3:443", V4, false],
    ["[2001:db8::7]:443", V6, true],
    ["[2001:db8::7]:8443", V6, false],
    // addresses and ranges
    ["10.1.2.3", V4, true],
    ["10.1.2.4", V4, false],
    ["10.0.0.0/8", V4, true],
    ["10.1.2.3/32", V4, true],
    ["10.1.2.0/31", V4, false],
    ["0.0.0.0/0", V4, true],
    ["10.0.0.0/33", V4, false],
    ["10.0.0.0/", V4, false],
    ["10.0.0.0/8/8", V4, false],
    ["10.0.0.0/x", V4, false],
    ["10.1", V4, false],
    [".1.2.3", V4, false],
    ["10.0.0.0/8", NAME, false],
    ["2001:db8::7", V6, true],
    ["[2001:db8::7]", V6, true],
    ["2001:0DB8:0:0:0:0:0:7", V6, true],
    ["2001:db8::/32", V6, true],
    ["2001:db8::/64", V6, true],
    ["2001:db8::8/125", V6, false],
    ["2001:db9::/32", V6, false],
    ["2001:db8::/129", V6, false],
    ["2001:db8::7%eth0", V6, false],
    ["10.0.0.0/8", V6, false],
    ["::/0", V6, true],
    ["[", V6, false],
  ])("where no_proxy is %j, for %s: %p", (noProxy, url, expected) => {
    expect(proxyOf("http://p:1", url, noProxy) === undefined).toBe(expected);
  });

  test("by no_proxy also where the proxy itself could not be understood", () => {
    expect(proxyOf("socks5://p", NAME, "armor.example")).toBeUndefined();
  });
});
