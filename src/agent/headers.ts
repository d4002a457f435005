export interface Header {
  readonly name: string;
  readonly value: string;
}

/** Node's `rawHeaders` are names and values in turn, as they were sent. */
export function parseRawHeaders(rawHeaders: readonly string[]): Header[] {
  const headers: Header[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.push({ name: rawHeaders[index] ?? "", value: rawHeaders[index + 1] ?? "" });
  }
  return headers;
}
