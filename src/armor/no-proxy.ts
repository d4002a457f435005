import { BlockList, isIP } from "node:net";
import { withoutBrackets } from "./host.ts";

/**
 * The list has names, `.name`, `*.name`, addresses, ranges (CIDR), each with or without a port, and
 * `*`, between commas or blanks, as curl 8 takes it. An entry that cannot be understood matches
 * nothing.
 * @returns the entry of no_proxy that names this URL's host, in small letters; undefined if none
 * does
 */
export function bypassingEntry(url: URL, noProxy: string): string | undefined {
  const host = withoutBrackets(url.hostname).replace(/\.$/, "");
  const port = url.port || "443"; // http goes to loopback hosts alone, and never here
  const entries = noProxy.toLowerCase().split(/[\s,]+/);
  return entries.find((entry) => entry === "*" || isEntryFor(entry, host, port));
}

/**
 * `[address]`, `[address]:port`, `name` or `name:port`. An IPv6 address without brackets has no
 * port.
 */
const NO_PROXY_ENTRY = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d+))?$/;

/**
 * @param entry `name`, `.name`, `*.name`, an address or a range of them (CIDR); with or without a
 * port
 */
function isEntryFor(entry: string, host: string, port: string): boolean {
  const parts = NO_PROXY_ENTRY.exec(entry)?.groups ?? { plain: entry };
  const pattern = parts["bracketed"] ?? parts["plain"] ?? "";
  if (parts["port"] !== undefined && Number(parts["port"]) !== Number(port)) return false;
  if (isIP(host) !== 0) return isAddressIn(host, pattern);
  const name = pattern.replace(/^\*?\./, "").replace(/\.$/, "");
  return name !== "" && (host === name || host.endsWith(`.${name}`));
}

/** An address, or a subnet such as `10.0.0.0/8`. */
const RANGE = /^(?<base>[\da-f.:]+)(?:\/(?<length>\d{1,3}))?$/;

function isAddressIn(address: string, range: string): boolean {
  const { base = "", length } = RANGE.exec(range)?.groups ?? {};
  if (isIP(base) === 0) return false;
  const maxLength = isIP(base) === 6 ? 128 : 32;
  const prefixLength = length === undefined ? maxLength : Number(length);
  if (prefixLength > maxLength) return false;
  const subnet = new BlockList();
  subnet.addSubnet(base, prefixLength, familyOf(base));
  return subnet.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
