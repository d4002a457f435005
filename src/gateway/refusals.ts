/** Every refusal of the gateway, with its status. docs/troubleshooting.md has an entry for each. */
export const REFUSAL_STATUS = {
  bad_request: 400, // not HTTP
  bad_target: 400, // a path or query that not every reader understands alike
  body_refused: 400,
  foreign_request: 403, // not from a program of this job
  wrong_capability: 403,
  path_refused: 403, // not one of gateway-paths
  not_found: 404, // at the control address
  method_not_allowed: 405,
  request_timeout: 408,
  head_too_large: 431,
  gateway_busy: 503, // a bound of the gateway is reached
} as const;

export type RefusalCode = keyof typeof REFUSAL_STATUS;

export interface Refusal {
  readonly route: "refused";
  readonly status: (typeof REFUSAL_STATUS)[RefusalCode];
  readonly error: RefusalCode;
  readonly description: string;
  readonly allow?: string; // the header Allow, which a 405 must have (RFC 9110 section 15.5.6)
  readonly retryAfterS?: number; // the header Retry-After, in seconds
  readonly isFromJob?: boolean; // it had a capability, so the job's log tells of it
}

export function refuse(error: RefusalCode, description: string): Refusal {
  return { route: "refused", status: REFUSAL_STATUS[error], error, description };
}

/** @param allow the methods that there are */
export function wrongMethod(description: string, allow: string): Refusal {
  return { ...refuse("method_not_allowed", description), allow };
}

/** When a client that was refused for want of room may try again, in seconds. */
const RETRY_AFTER_S = 5;

/** @param description the fact and what to do about it */
export function busy(description: string): Refusal {
  return { ...refuse("gateway_busy", description), retryAfterS: RETRY_AFTER_S, isFromJob: true };
}
