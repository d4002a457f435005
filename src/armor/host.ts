import fs from "node:fs";

/** Inside a URL an IPv6 address stands in brackets, which Node would look up as a name. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** @param hostname as a URL writes it, so that an IPv6 address stands in brackets */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The files that dockerd and Podman put into every container. */
const CONTAINER_FILES = ["/.dockerenv", "/run/.containerenv"];

/**
 * @param hostname that refused a connection, as a URL writes it
 * @returns a sentence to be put before the usual remedy, if loopback is a container's here; "" if
 * it is not
 */
export function containerHint(hostname: string): string {
  if (!isLoopback(hostname) || !isInContainer()) return "";
  return (
    "In a container, 127.0.0.1 and localhost are the container itself: to reach the machine or a " +
    "service from there, use host.docker.internal or the name of the service. "
  );
}

function isInContainer(): boolean {
  // A process that was brought in from outside, as steps of a `container:` job are, has no parent
  // there.
  if (process.ppid === 0) return true;
  try {
    return CONTAINER_FILES.some((file) => fs.existsSync(file));
  } catch {
    return false; // the agent may not look, and what it can reach the main step has reached before
  }
}
