import { describe, expect, test } from "@jest/globals";
import { isLoopback } from "../../src/armor/host.ts";
import { proxyFor, takeRoute } from "../../src/armor/proxy.ts";

describe("takeRoute", () => {
  test.each([
    { what: "nothing", env: {}, expected: { noProxy: "" } },
    {
      what: "https_proxy",
      env: { https_proxy: "p" },
      expected: { proxy: { variable: "https_proxy", value: "p" }, noProxy: "" },
    },
    {
      what: "HTTPS_PROXY",
      env: { HTTPS_PROXY: "p" },
      expected: { proxy: { variable: "HTTPS_PROXY", value: "p" }, noProxy: "" },
    },
    {
      what: "small letters before capitals",
      env: { https_proxy: "a", HTTPS_PROXY: "b", no_proxy: "c", NO_PROXY: "d" },
      expected: { proxy: { variable: "https_proxy", value: "a" }, noProxy: "c" },
    },
    {
      what: "an empty variable as if it were not set",
      env: { https_proxy: "", HTTPS_PROXY: "b", no_proxy: "", NO_PROXY: "d" },
      expected: { proxy: { variable: "HTTPS_PROXY", value: "b" }, noProxy: "d" },
    },
    {
      what: "a value that is only a blank as a value",
      env: { https_proxy: " " },
      expected: { proxy: { variable: "https_proxy", value: " " }, noProxy: "" },
    },
    {
      what: "no other variable",
      env: { all_proxy: "a", ALL_PROXY: "b", http_proxy: "c", HTTP_PROXY: "d" },
      expected: { noProxy: "" },
    },
  ])("reads $what", ({ env, expected }) => {
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
  test.each<{ readonly value: string; readonly origin: string; readonly credentials?: string }>([
    { value: "http://proxy.example:3128", origin: "http://proxy.example:3128" },
    { value: "HTTP://PROXY.example:3128/", origin: "http://proxy.example:3128" },
    { value: "proxy.example:3128", origin: "http://proxy.example:3128" },
    { value: "proxy.example", origin: "http://proxy.example:80" },
    { value: "localhost:1", origin: "http://localhost:1" },
    { value: "https://proxy.example", origin: "https://proxy.example:443" },
    { value: "http://10.0.0.1:65535", origin: "http://10.0.0.1:65535" },
    { value: "http://[::1]:3128", origin: "http://[::1]:3128" },
    { value: "[2001:DB8::1]:3128", origin: "http://[2001:db8::1]:3128" },
    { value: "http://my_proxy:3128", origin: "http://my_proxy:3128" },
    { value: "http://@proxy.example", origin: "http://proxy.example:80" },
    {
      value: "http://user:pass@proxy.example",
      origin: "http://proxy.example:80",
      credentials: "user:pass",
    },
    {
      value: "user:pass@proxy.example:3128",
      origin: "http://proxy.example:3128",
      credentials: "user:pass",
    },
    { value: "http://user@proxy.example", origin: "http://proxy.example:80", credentials: "user:" },
    {
      value: "http://:pass@proxy.example",
      origin: "http://proxy.example:80",
      credentials: ":pass",
    },
    {
      value: "http://us%40er:p%25%3A%23%2F@proxy.example",
      origin: "http://proxy.example:80",
      credentials: "us@er:p%:#/",
    },
    {
      value: "http://user:a:b:c@proxy.example",
      origin: "http://proxy.example:80",
      credentials: "user:a:b:c",
    },
    {
      value: "http://user:p%C3%A4ss@proxy.example",
      origin: "http://proxy.example:80",
      credentials: "user:päss",
    },
    {
      value: "http://dom%5Cuser:!$&'()*+,;=@proxy.example",
      origin: "http://proxy.example:80",
      credentials: "dom\\user:!$&'()*+,;=",
    },
  ])("$value is understood", ({ value, ...address }) => {
    expect(proxyOf(value)).toEqual(address);
  });

  const ENCODED = "user or password holds a character that must be percent-encoded";
  const ADDRESS = "after the scheme there must be a host name and a port, and nothing else";
  const ASCII = "it contains a blank or a character outside ASCII";
  test.each([
    { value: " http://proxy.example", cause: ASCII },
    { value: "http://proxy.example ", cause: ASCII },
    { value: "http://my proxy:3128", cause: ASCII },
    { value: "http://proxy.example:3128\n", cause: ASCII },
    { value: "http://pröxy.example:3128", cause: ASCII },
    { value: "http://user:pä55@proxy.example", cause: ASCII },
    { value: "http://user:S3cr3t#x@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t/x@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t\\x@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t?x@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t@x@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t%zz@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t100%@proxy.example:3128", cause: ENCODED },
    { value: "http://user:S3cr3t%E4@proxy.example:3128", cause: ENCODED },
    { value: "socks5://proxy.example:1080", cause: "only http:// and https:// are supported" },
    {
      value: "socks5h://user:S3cr3t@proxy.example:1080",
      cause: "only http:// and https:// are supported",
    },
    { value: "S3cr3t://proxy.example", cause: "only http:// and https:// are supported" },
    { value: "http://proxy.example:99999", cause: "the port is not between 1 and 65535" },
    { value: "http://proxy.example:0", cause: "the port is not between 1 and 65535" },
    { value: "http://proxy.example:123456", cause: ADDRESS },
    { value: "http://proxy.example:", cause: ADDRESS },
    { value: "http://proxy.example:port", cause: ADDRESS },
    { value: "http://proxy.example:3128/path", cause: ADDRESS },
    { value: "http://proxy.example:3128?S3cr3t", cause: ADDRESS },
    { value: "http://proxy.example:3128#S3cr3t", cause: ADDRESS },
    { value: "http://user:S3cr3t/proxy.example", cause: ADDRESS },
    { value: "http://", cause: ADDRESS },
    { value: "http://user:S3cr3t@", cause: ADDRESS },
    { value: "http://:3128", cause: ADDRESS },
    { value: "http:/proxy.example:3128", cause: ADDRESS },
    { value: "//proxy.example:3128", cause: ADDRESS },
    { value: "http://::1:3128", cause: ADDRESS },
    { value: "http://[::1]3128", cause: ADDRESS },
    { value: "http://[::g]:3128", cause: ADDRESS },
    { value: "http://[1::2::3]:3128", cause: ADDRESS },
    { value: "http://256.1.1.1:3128", cause: ADDRESS },
    { value: "http://a.example,b.example", cause: ADDRESS },
    { value: '"http://proxy.example:3128"', cause: ADDRESS },
    { value: "direct://", cause: ADDRESS },
  ])("$value is refused, and not repeated", ({ value, cause }) => {
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

  test("it is not asked for if no proxy is set", () => {
    expect(proxyFor(new URL("https://armor.example"), { noProxy: "" })).toBeUndefined();
  });
});

describe("no proxy", () => {
  test.each([
    { host: "localhost", expected: true },
    { host: "127.0.0.1", expected: true },
    { host: "127.1.2.3", expected: true },
    { host: "127.10.10.200", expected: true },
    { host: "[::1]", expected: true },
    { host: "localhost.example", expected: false },
    { host: "127.0.0.1.example", expected: false },
    { host: "[::2]", expected: false },
    { host: "128.0.0.1", expected: false },
  ])("for a loopback host: $host is $expected", ({ host, expected }) => {
    expect(isLoopback(host)).toBe(expected);
    expect(proxyOf("http://p:1", `https://${host}/`) === undefined).toBe(expected);
  });

  const NAME = "https://api.armor.example/x";
  const V4 = "https://10.1.2.3:8443/x";
  const V6 = "https://[2001:db8::7]/x";
  test.each([
    // names
    { noProxy: "api.armor.example", url: NAME, isBypassed: true },
    { noProxy: "API.Armor.EXAMPLE", url: NAME, isBypassed: true },
    { noProxy: "armor.example", url: NAME, isBypassed: true },
    { noProxy: ".armor.example", url: NAME, isBypassed: true },
    { noProxy: ".api.armor.example", url: NAME, isBypassed: true },
    { noProxy: "*.armor.example", url: NAME, isBypassed: true },
    { noProxy: "example", url: NAME, isBypassed: true },
    { noProxy: "armor.example.", url: NAME, isBypassed: true },
    { noProxy: "armor.example", url: "https://api.armor.example./x", isBypassed: true },
    { noProxy: "rmor.example", url: NAME, isBypassed: false },
    { noProxy: "www.armor.example", url: NAME, isBypassed: false },
    { noProxy: "api.armor.example.com", url: NAME, isBypassed: false },
    { noProxy: "api.*.example", url: NAME, isBypassed: false },
    { noProxy: "*", url: NAME, isBypassed: true },
    { noProxy: "**", url: NAME, isBypassed: false },
    { noProxy: ".", url: NAME, isBypassed: false },
    { noProxy: "*.", url: NAME, isBypassed: false },
    // lists
    { noProxy: "a.example,armor.example", url: NAME, isBypassed: true },
    { noProxy: "a.example, armor.example ", url: NAME, isBypassed: true },
    { noProxy: "a.example armor.example", url: NAME, isBypassed: true },
    { noProxy: "a.example\tarmor.example,,", url: NAME, isBypassed: true },
    { noProxy: "a.example,*", url: NAME, isBypassed: true },
    { noProxy: "a.example;armor.example", url: NAME, isBypassed: false },
    { noProxy: "", url: NAME, isBypassed: false },
    { noProxy: " , ,", url: NAME, isBypassed: false },
    // ports
    { noProxy: "armor.example:443", url: NAME, isBypassed: true },
    { noProxy: "armor.example:0443", url: NAME, isBypassed: true },
    { noProxy: "armor.example:8443", url: NAME, isBypassed: false },
    { noProxy: "armor.example:8443", url: "https://api.armor.example:8443/x", isBypassed: true },
    { noProxy: "armor.example:", url: NAME, isBypassed: false },
    { noProxy: "armor.example:https", url: NAME, isBypassed: false },
    { noProxy: "10.1.2.3:8443", url: V4, isBypassed: true },
    { noProxy: "10.1.2.3:443", url: V4, isBypassed: false },
    { noProxy: "[2001:db8::7]:443", url: V6, isBypassed: true },
    { noProxy: "[2001:db8::7]:8443", url: V6, isBypassed: false },
    // addresses and ranges
    { noProxy: "10.1.2.3", url: V4, isBypassed: true },
    { noProxy: "10.1.2.4", url: V4, isBypassed: false },
    { noProxy: "10.0.0.0/8", url: V4, isBypassed: true },
    { noProxy: "10.1.2.3/32", url: V4, isBypassed: true },
    { noProxy: "10.1.2.0/31", url: V4, isBypassed: false },
    { noProxy: "0.0.0.0/0", url: V4, isBypassed: true },
    { noProxy: "10.0.0.0/33", url: V4, isBypassed: false },
    { noProxy: "10.0.0.0/", url: V4, isBypassed: false },
    { noProxy: "10.0.0.0/8/8", url: V4, isBypassed: false },
    { noProxy: "10.0.0.0/x", url: V4, isBypassed: false },
    { noProxy: "10.1", url: V4, isBypassed: false },
    { noProxy: ".1.2.3", url: V4, isBypassed: false },
    { noProxy: "10.0.0.0/8", url: NAME, isBypassed: false },
    { noProxy: "2001:db8::7", url: V6, isBypassed: true },
    { noProxy: "[2001:db8::7]", url: V6, isBypassed: true },
    { noProxy: "2001:0DB8:0:0:0:0:0:7", url: V6, isBypassed: true },
    { noProxy: "2001:db8::/32", url: V6, isBypassed: true },
    { noProxy: "2001:db8::/64", url: V6, isBypassed: true },
    { noProxy: "2001:db8::8/125", url: V6, isBypassed: false },
    { noProxy: "2001:db9::/32", url: V6, isBypassed: false },
    { noProxy: "2001:db8::/129", url: V6, isBypassed: false },
    { noProxy: "2001:db8::7%eth0", url: V6, isBypassed: false },
    { noProxy: "10.0.0.0/8", url: V6, isBypassed: false },
    { noProxy: "::/0", url: V6, isBypassed: true },
    { noProxy: "[", url: V6, isBypassed: false },
  ])('with a no_proxy of "$noProxy", a request to $url goes past the proxy: $isBypassed', (row) => {
    const { noProxy, url, isBypassed } = row;
    expect(proxyOf("http://p:1", url, noProxy) === undefined).toBe(isBypassed);
  });

  test("by no_proxy also if the proxy itself could not be understood", () => {
    expect(proxyOf("socks5://p", NAME, "armor.example")).toBeUndefined();
  });
});
