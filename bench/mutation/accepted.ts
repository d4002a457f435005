// Survivors that are no gap in the tests: what they change cannot be seen, or need not be. They are
// known by where they are and by the kind of change, so that an edit of the line beside them
// changes nothing here.

export interface Accepted {
  /** As `npm run mutate` names it, such as `Gateway.serve`. */
  readonly function: string;
  /** Stryker's name of the kind of change, such as `StringLiteral`. */
  readonly mutator: string;
  /**
   * How many survivors of this kind in this function the reason is about; undefined stands for one.
   */
  readonly count?: number;
  /** Why no test should kill it, in a sentence. */
  readonly why: string;
}

/** By file, as a path below the project's root. */
export const ACCEPTED: Readonly<Record<string, readonly Accepted[]>> = {
  "src/agent-client/ask-to-stop.ts": [
    {
      function: "CONTENT_LENGTH",
      mutator: "Regex",
      why: "Node writes one blank there, and nobody else's reply is to count.",
    },
    {
      function: "askToStop",
      mutator: "StringLiteral",
      count: 2,
      why: "Node takes an empty host for localhost, and every error of a socket has a code.",
    },
    {
      function: "askToStop",
      mutator: "EqualityOperator",
      why: "A boundary of one byte, beyond what a report and its head can have.",
    },
    {
      function: "kindOf",
      mutator: "StringLiteral",
      why: "It is compared with the three other words alone.",
    },
    {
      function: "bodyOf",
      mutator: "OptionalChaining",
      why: "An expression with a named group gives groups whenever it matches.",
    },
  ],
  "src/agent-client/folder.ts": [
    {
      function: "IS_WINDOWS",
      mutator: "ConditionalExpression",
      why: "Windows alone gives another answer, and a test of createAgentFolder gives it itself.",
    },
    {
      function: "IS_WINDOWS",
      mutator: "StringLiteral",
      why: "Windows alone gives another answer, and a test of createAgentFolder gives it itself.",
    },
    {
      function: "createAgentFolder",
      mutator: "StringLiteral",
      count: 2,
      why: "There is no folder of Stryker's name, and fs.rm with an empty path finds nothing.",
    },
    {
      function: "createAgentFolder",
      mutator: "ConditionalExpression",
      why: "fs.rm with an empty path finds nothing, which it is told to pass over.",
    },
    {
      function: "createAgentFolder",
      mutator: "BooleanLiteral",
      why: "What cannot be removed, or is not there, is passed over either way.",
    },
    {
      function: "giveToOwnerOf",
      mutator: "ConditionalExpression",
      count: 2,
      why: "Who is not root can give nothing away, and what is given to root stays root's.",
    },
    { function: "giveToOwnerOf", mutator: "OptionalChaining", why: "Windows alone has no getuid." },
    { function: "isAgentFolder", mutator: "OptionalChaining", why: "Windows alone has no getuid." },
    {
      function: "removeFolder",
      mutator: "BooleanLiteral",
      why: "What cannot be removed, or is not there, is passed over either way.",
    },
  ],
  "src/agent-client/inherit.ts": [
    {
      function: "wordsOf",
      mutator: "ArrayDeclaration",
      why: "Stryker's text is none of the flags that the agent gets.",
    },
    {
      function: "parseFlag",
      mutator: "StringLiteral",
      why: "A text that is split has always a first part.",
    },
    {
      function: "isAllowedFlag",
      mutator: "Regex",
      why: "What is left has two hyphens where `--no-` was, and no allowed flag has them but at its beginning.",
    },
  ],
  "src/agent-client/launch.ts": [
    {
      function: "launchAgent",
      mutator: "BlockStatement",
      why: "The step's process ends by process.exit, whatever is open.",
    },
    {
      function: "spawnAgent",
      mutator: "StringLiteral",
      why: "Stryker's text is none of the flags that the agent gets.",
    },
    {
      function: "spawnAgent",
      mutator: "BooleanLiteral",
      why: "Windows alone has a window to hide.",
    },
    {
      function: "spawnAgent",
      mutator: "ArrayDeclaration",
      why: "Pipes are what Node makes by default.",
    },
    {
      function: "readyPort",
      mutator: "StringLiteral",
      count: 2,
      why: "Node takes an empty name of an encoding for UTF-8.",
    },
    {
      function: "readyPort",
      mutator: "MethodExpression",
      why: "The agent's line counts as soon as it is there; without the cut, the memory alone would grow.",
    },
  ],
  "src/agent-client/stop.ts": [
    {
      function: "stopAgent",
      mutator: "ConditionalExpression",
      why: "A debug log that is undefined is read like one that is left out.",
    },
    {
      function: "findEnd",
      mutator: "StringLiteral",
      count: 3,
      why: "Every error of a file has a code, an address that matches has a capability, and who is late has been answered already.",
    },
    {
      function: "findEnd",
      mutator: "ConditionalExpression",
      why: "unlessAborted has given LATE when the signal aborted, before the socket closes.",
    },
    {
      function: "readControlFile",
      mutator: "EqualityOperator",
      why: "One more look, 50 ms later.",
    },
    {
      function: "parseReport",
      mutator: "ConditionalExpression",
      why: "JSON.parse does not take undefined, which gives undefined as well.",
    },
    {
      function: "parseReport",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
    {
      function: "unlessAborted",
      mutator: "ObjectLiteral",
      why: "A listener that stays on a signal goes with it.",
    },
    {
      function: "unlessAborted",
      mutator: "ArrowFunction",
      why: "When the listener is taken away, the race is over, and nobody reads what it gives.",
    },
    {
      function: "unlessAborted",
      mutator: "BlockStatement",
      why: "A listener that stays on a signal goes with it.",
    },
  ],
  "src/agent-client/worker.ts": [
    {
      function: "findWorker",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's is the worker's name.",
    },
  ],
  "src/agent/agent.ts": [
    {
      function: "serve",
      mutator: "ConditionalExpression",
      count: 2,
      why: "An agent that was told to stop has stopped its control already, which does so once only.",
    },
    {
      function: "placeControlFile",
      mutator: "StringLiteral",
      why: "With dist/, __tests__/agent-client/built-agent.test.ts holds it: an agent that begins too late names RUNNER_TEMP.",
    },
  ],
  "src/agent/debug-file.ts": [
    {
      function: "DebugFile.add",
      mutator: "ConditionalExpression",
      why: "Without a line there is no byte, so there is always one to take away.",
    },
  ],
  "src/agent/life.ts": [
    {
      function: "Life.watch",
      mutator: "EqualityOperator",
      count: 2,
      why: "Boundaries of one millisecond.",
    },
    {
      function: "isAlive",
      mutator: "ConditionalExpression",
      count: 3,
      why: "Main gives no pid below 1, and process.kill throws at undefined, which is taken for no as well.",
    },
    {
      function: "isAlive",
      mutator: "LogicalOperator",
      why: "Main gives no pid below 1, and process.kill throws at undefined, which is taken for no as well.",
    },
    {
      function: "isAlive",
      mutator: "EqualityOperator",
      why: "Main gives no pid below 1, and process.kill throws at undefined, which is taken for no as well.",
    },
    {
      function: "isAlive",
      mutator: "BooleanLiteral",
      why: "Only undefined comes there, of which nothing is watched.",
    },
    {
      function: "isAlive",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined, which is taken for no.",
    },
  ],
  "src/armor-token.ts": [
    {
      function: "(top level)",
      mutator: "StringLiteral",
      why: "The wrapper names the folder in every call.",
    },
    {
      function: "(top level)",
      mutator: "MethodExpression",
      why: "With dist/, __tests__/bundle/armor-token.test.ts holds it: no call would find its agent.",
    },
    {
      function: "isDebug",
      mutator: "ConditionalExpression",
      count: 2,
      why: "With dist/, __tests__/bundle/armor-token.test.ts holds the lines that must not be there, __tests__/bundle/debug-log.test.ts those that must.",
    },
    {
      function: "isDebug",
      mutator: "EqualityOperator",
      why: "With dist/, __tests__/bundle/debug-log.test.ts holds it: the lines of armor-token are missing.",
    },
    {
      function: "isDebug",
      mutator: "StringLiteral",
      count: 2,
      why: "With dist/, __tests__/bundle/debug-log.test.ts holds it: the lines of armor-token are missing.",
    },
    {
      function: "(top level)",
      mutator: "ObjectLiteral",
      why: "With dist/, __tests__/bundle/armor-token.test.ts holds it: no call would find its agent.",
    },
  ],
  "src/armor/body.ts": [
    {
      function: "parseObject",
      mutator: "ConditionalExpression",
      why: "Without the check, Object.entries(null) throws, which gives undefined as well.",
    },
    {
      function: "parseObject",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
  ],
  "src/armor/certificate.ts": [
    {
      function: "nameOf",
      mutator: "Regex",
      why: "No code of Node's has ERR_SSL_ anywhere but at its beginning.",
    },
    {
      function: "watchCertificate.addCertificate",
      mutator: "ConditionalExpression",
      why: "Where there is no certificate, the error gets undefined, which it has already.",
    },
    {
      function: "nameIn",
      mutator: "ConditionalExpression",
      why: "An attribute that is not there becomes an empty text, and so undefined two lines below.",
    },
  ],
  "src/armor/connecting.ts": [
    { function: "lookUp", mutator: "EqualityOperator", why: "A boundary of one millisecond." },
    {
      function: "HINTS",
      mutator: "ConditionalExpression",
      count: 2,
      why: "Windows alone behaves otherwise with this hint, and a test names its addresses itself.",
    },
    {
      function: "HINTS",
      mutator: "EqualityOperator",
      why: "Windows alone behaves otherwise with this hint, and a test names its addresses itself.",
    },
    {
      function: "HINTS",
      mutator: "StringLiteral",
      why: "Windows alone behaves otherwise with this hint, and a test names its addresses itself.",
    },
    { function: "askDns", mutator: "ObjectLiteral", why: "A signal aborts once only." },
    { function: "askDns", mutator: "BooleanLiteral", why: "A signal aborts once only." },
    { function: "Race.run", mutator: "ObjectLiteral", why: "A signal aborts once only." },
    { function: "Race.run", mutator: "BooleanLiteral", why: "A signal aborts once only." },
    {
      function: "lacksIpv6",
      mutator: "StringLiteral",
      count: 2,
      why: "Neither the empty text nor Stryker's is a code of the system's, or an address.",
    },
    {
      function: "mostTelling.isReached",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's is a code of the system's.",
    },
    {
      function: "mostTelling",
      mutator: "StringLiteral",
      why: "There is no race without an address, so there is always a failure to tell.",
    },
  ],
  "src/armor/credentials.ts": [
    {
      function: "base64Forms",
      mutator: "StringLiteral",
      why: "Node takes an empty name of an encoding for UTF-8.",
    },
    {
      function: "wrappedBase64",
      mutator: "StringLiteral",
      why: "Node takes an empty name of an encoding for UTF-8.",
    },
    {
      function: "wrappedBase64",
      mutator: "ArrayDeclaration",
      why: "A key is never empty, so its base64 has a line.",
    },
  ],
  "src/armor/fault.ts": [
    {
      function: "codeOf",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's has the form of OpenSSL's message.",
    },
    {
      function: "codeOf",
      mutator: "OptionalChaining",
      why: "An expression with a named group gives groups whenever it matches.",
    },
  ],
  "src/armor/hints.ts": [
    {
      function: "SECRET_NAME",
      mutator: "Regex",
      why: "What stands before a hyphen is taken by the beginning of NAME as well.",
    },
    {
      function: "repeats",
      mutator: "StringLiteral",
      count: 2,
      why: "Four letters of Stryker's text are in no value of a test, and in no other by more than chance.",
    },
    {
      function: "decoded",
      mutator: "Regex",
      count: 2,
      why: "Base64 has no blank in it, and Node skips those that are left before it.",
    },
  ],
  "src/armor/host.ts": [
    {
      function: "withoutBrackets",
      mutator: "Regex",
      count: 2,
      why: "A host name of a URL has brackets around the whole of it, or none.",
    },
    {
      function: "isInContainer",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined, which is taken for no.",
    },
  ],
  "src/armor/http.ts": [
    { function: "Exchange.run", mutator: "ObjectLiteral", why: "A signal aborts once only." },
    { function: "Exchange.run", mutator: "BooleanLiteral", why: "A signal aborts once only." },
    {
      function: "Exchange.createClient.canHandleAuthentication",
      mutator: "ArrowFunction",
      why: "http-client takes undefined for no.",
    },
    {
      function: "Exchange.createClient.handleAuthentication",
      mutator: "ArrowFunction",
      why: "http-client does not call a handler that can handle nothing.",
    },
    {
      function: "Exchange.createClient.handleAuthentication",
      mutator: "StringLiteral",
      why: "http-client does not call a handler that can handle nothing.",
    },
    {
      function: "Exchange.createClient",
      mutator: "BooleanLiteral",
      why: "http-client never repeats a POST by itself, which is all that is sent here.",
    },
    {
      function: "Exchange.rejectAtDeadline",
      mutator: "ObjectLiteral",
      why: "A signal aborts once only.",
    },
    {
      function: "Exchange.rejectAtDeadline",
      mutator: "BooleanLiteral",
      why: "A signal aborts once only.",
    },
    {
      function: "Exchange.readReply",
      mutator: "ConditionalExpression",
      count: 3,
      why: "It counts only for a reply that is whole in the very moment of its deadline.",
    },
    {
      function: "Exchange.readReply",
      mutator: "LogicalOperator",
      why: "It counts only for a reply that is whole in the very moment of its deadline.",
    },
    {
      function: "Exchange.readReply",
      mutator: "StringLiteral",
      count: 2,
      why: "It counts only for a reply that is whole in the very moment of its deadline.",
    },
    {
      function: "Exchange.judge",
      mutator: "ConditionalExpression",
      why: "networkError gives an ArmorError back as it is.",
    },
  ],
  "src/armor/no-proxy.ts": [
    {
      function: "bypassingEntry",
      mutator: "Regex",
      why: "An empty entry, which this leaves, is an entry for no host.",
    },
    {
      function: "isEntryFor",
      mutator: "StringLiteral",
      count: 2,
      why: "One of the two groups always matches, and no host has Stryker's text for a name.",
    },
    {
      function: "isEntryFor",
      mutator: "ConditionalExpression",
      why: "No host is empty or ends with a dot here, so an empty name matches none.",
    },
    {
      function: "isAddressIn",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's is an address.",
    },
  ],
  "src/armor/oauth.ts": [
    {
      function: "tokenRequest",
      mutator: "StringLiteral",
      why: "Node takes an empty name of an encoding for UTF-8.",
    },
    {
      function: "judgeTerminate",
      mutator: "ConditionalExpression",
      why: "Node gives no reply with a status below 200.",
    },
  ],
  "src/armor/proxy-error.ts": [
    {
      function: "proxyError",
      mutator: "StringLiteral",
      why: "The stage is compared with `looking-up` alone.",
    },
    {
      function: "proxyStatusError",
      mutator: "StringLiteral",
      why: "Stryker's text names no scheme of authentication, as the empty one.",
    },
    {
      function: "credentialsError",
      mutator: "OptionalChaining",
      why: "An expression with a named group gives groups whenever it matches.",
    },
  ],
  "src/armor/proxy.ts": [
    {
      function: "takeRoute",
      mutator: "ConditionalExpression",
      why: "A proxy that is undefined is read like one that is left out.",
    },
    {
      function: "decodeUserinfo",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
  ],
  "src/armor/redirect.ts": [
    {
      function: "VENDOR_ORIGIN",
      mutator: "Regex",
      why: "It is tried on an origin, in front of which nothing can stand.",
    },
  ],
  "src/armor/refusal.ts": [
    {
      function: "retryAfterMs",
      mutator: "MethodExpression",
      why: "Node's parser has taken the blanks around a header's value away.",
    },
    {
      function: "retryAfterMs",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's is a number or a date.",
    },
    {
      function: "parseHttpDate",
      mutator: "ConditionalExpression",
      why: "The text `undefined` has not the form of a date.",
    },
  ],
  "src/armor/retry.ts": [
    {
      function: "retry",
      mutator: "ConditionalExpression",
      why: "What is no ArmorError has no canPass, and is thrown two lines below.",
    },
    {
      function: "Backoff.pauseAfter",
      mutator: "EqualityOperator",
      count: 2,
      why: "Boundaries of one millisecond.",
    },
    { function: "askedPause", mutator: "EqualityOperator", why: "A boundary of one millisecond." },
  ],
  "src/armor/route-agents.ts": [
    {
      function: "Opener.open",
      mutator: "StringLiteral",
      why: "Node's agents give a host with every request.",
    },
    {
      function: "Opener.open",
      mutator: "BlockStatement",
      why: "To abort what has ended has no effect; the list alone would grow.",
    },
    {
      function: "RouteAgent.constructor",
      mutator: "BooleanLiteral",
      why: "trustOptions says it once more for each connection.",
    },
  ],
  "src/armor/token-cache.ts": [
    {
      function: "TokenCache.previous",
      mutator: "ArrayDeclaration",
      why: "Stryker's text has no time to live, so it is no session that may go on.",
    },
    {
      function: "TokenCache.forgotten",
      mutator: "ArrayDeclaration",
      why: "Stryker's text has no time to live, so it is no session that may go on.",
    },
    {
      function: "TokenCache.get",
      mutator: "EqualityOperator",
      why: "A boundary of one millisecond.",
    },
    {
      function: "TokenCache.msUntilNextTry",
      mutator: "ConditionalExpression",
      count: 2,
      why: "A token that is rejected is too old to be tried again, and undefined makes no pause that is short enough.",
    },
    {
      function: "TokenCache.replaceCurrent",
      mutator: "EqualityOperator",
      count: 2,
      why: "Boundaries of one millisecond.",
    },
  ],
  "src/armor/token.ts": [
    {
      function: "fetchToken.attempt",
      mutator: "ConditionalExpression",
      why: "Without a raw pair, no refusal is kept, which the second half of the condition asks for.",
    },
    {
      function: "refusedSince",
      mutator: "Regex",
      count: 2,
      why: "isoDate gives one line that has the form from its beginning to its end.",
    },
  ],
  "src/armor/trust.ts": [
    {
      function: "trustOptions",
      mutator: "ConditionalExpression",
      why: "A context that is undefined is read like one that is left out.",
    },
  ],
  "src/armor/tunnel.ts": [
    {
      function: "ProxyAnswer.constructor",
      mutator: "StringLiteral",
      why: "Nobody reads this message: the error is turned into another one.",
    },
    {
      function: "connectHeaders",
      mutator: "StringLiteral",
      why: "Node takes an empty name of an encoding for UTF-8.",
    },
  ],
  "src/clock.ts": [
    { function: "isoDate", mutator: "Regex", why: "toISOString gives one Z, at its end." },
    {
      function: "within",
      mutator: "ArrowFunction",
      why: "When the sleep is ended, the race is over, and nobody reads what it gives.",
    },
  ],
  "src/command/agent.ts": [
    {
      function: "controlUrl",
      mutator: "ConditionalExpression",
      why: "Linux says EACCES; EPERM is what other systems may say.",
    },
    {
      function: "controlUrl",
      mutator: "StringLiteral",
      why: "Linux says EACCES; EPERM is what other systems may say.",
    },
    {
      function: "readControlFile",
      mutator: "MethodExpression",
      why: "A URL drops the line end that is inside it.",
    },
    {
      function: "readControlFile",
      mutator: "BlockStatement",
      why: "The process ends behind its one call.",
    },
    {
      function: "askAgent",
      mutator: "StringLiteral",
      count: 2,
      why: "The encoding is UTF-8 either way, and the text of the error is not shown.",
    },
  ],
  "src/command/command.ts": [
    {
      function: "maskToken",
      mutator: "ConditionalExpression",
      why: "Which streams take a mask is looked at once more two lines below.",
    },
    {
      function: "maskToken",
      mutator: "OptionalChaining",
      why: "Masks that have arrived have done so by the runner's pipe.",
    },
  ],
  "src/command/output.ts": [
    {
      function: "isNullDevice",
      mutator: "ConditionalExpression",
      why: "What is no character device has not the number of the null device either.",
    },
    {
      function: "isNullDevice",
      mutator: "BlockStatement",
      why: "Windows alone has no path for its null device.",
    },
    {
      function: "isNullDevice",
      mutator: "BooleanLiteral",
      why: "Windows alone has no path for its null device.",
    },
  ],
  "src/command/proc.ts": [
    {
      function: "STAT",
      mutator: "Regex",
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readProcess",
      mutator: "OptionalChaining",
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readProcess",
      mutator: "StringLiteral",
      count: 3,
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readProcess",
      mutator: "ConditionalExpression",
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "isNumber",
      mutator: "Regex",
      count: 2,
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "listPipes",
      mutator: "MethodExpression",
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readPipe",
      mutator: "StringLiteral",
      count: 2,
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readPipe",
      mutator: "OptionalChaining",
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readPipe",
      mutator: "Regex",
      count: 2,
      why: "What Linux shows in /proc has always this form (proc(5)): no test can make another.",
    },
    {
      function: "readPipe",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
  ],
  "src/command/runner-pipe.ts": [
    {
      function: "MACHINE_NAMESPACE",
      mutator: "StringLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findRunnerPipe",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
    {
      function: "findStep",
      mutator: "EqualityOperator",
      why: "A boundary: no step nests so deep.",
    },
    {
      function: "findStep",
      mutator: "AssignmentOperator",
      why: "The count ends nothing but a circle, which no test can make of processes.",
    },
    {
      function: "findStep",
      mutator: "ConditionalExpression",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findStep",
      mutator: "ObjectLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "BlockStatement",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "ConditionalExpression",
      count: 6,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "EqualityOperator",
      count: 3,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "StringLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "BooleanLiteral",
      count: 4,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isStepOfContainer",
      mutator: "MethodExpression",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isWorker",
      mutator: "BlockStatement",
      count: 3,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isWorker",
      mutator: "ConditionalExpression",
      count: 2,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isWorker",
      mutator: "EqualityOperator",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "isWorker",
      mutator: "BooleanLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findPipeOf",
      mutator: "MethodExpression",
      count: 3,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findPipeOf",
      mutator: "ConditionalExpression",
      count: 5,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findPipeOf",
      mutator: "ArrowFunction",
      count: 2,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findPipeOf",
      mutator: "BooleanLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "findPipeOf",
      mutator: "EqualityOperator",
      count: 3,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "choosePipes",
      mutator: "EqualityOperator",
      why: "The worker has no two ends with one number.",
    },
    {
      function: "readInsideContainer",
      mutator: "BlockStatement",
      count: 4,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "BooleanLiteral",
      count: 2,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "ConditionalExpression",
      count: 4,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "LogicalOperator",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "EqualityOperator",
      count: 2,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "StringLiteral",
      count: 2,
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "readInsideContainer",
      mutator: "ObjectLiteral",
      why: "Only in a container of its own does a process come here: with dist/, __tests__/bundle/armor-token.test.ts holds it.",
    },
    {
      function: "writeLines",
      mutator: "StringLiteral",
      why: "It is compared with the two other words alone.",
    },
  ],
  "src/command/token-file.ts": [
    {
      function: "replaceTokenFile",
      mutator: "StringLiteral",
      why: "The name is random, so nobody can have put a file or a link there before.",
    },
  ],
  "src/errors.ts": [
    {
      function: "fileError",
      mutator: "StringLiteral",
      why: "Neither the empty text nor Stryker's is a code of the system's.",
    },
  ],
  "src/index.ts": [
    {
      function: "runMain",
      mutator: "StringLiteral",
      why: "Node names the file that the runner has started.",
    },
    {
      function: "runMain",
      mutator: "LogicalOperator",
      why: "With dist/, __tests__/bundle/job.test.ts holds it: main would not find the agent's files.",
    },
  ],
  "src/protocol/files.ts": [
    {
      function: "readUpTo",
      mutator: "EqualityOperator",
      why: "To read no byte gives none, which ends the loop as well.",
    },
    {
      function: "unfit",
      mutator: "StringLiteral",
      why: "Nobody shows this message: who reads such a file looks at the code alone.",
    },
    {
      function: "placeFile",
      mutator: "StringLiteral",
      why: "The name is random, so nobody can have put a file or a link there before.",
    },
    {
      function: "placeFile",
      mutator: "ObjectLiteral",
      why: "That there is nothing to remove is passed over either way.",
    },
    {
      function: "placeFile",
      mutator: "BooleanLiteral",
      why: "That there is nothing to remove is passed over either way.",
    },
    {
      function: "ownerOf",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
    {
      function: "ownerOf",
      mutator: "ConditionalExpression",
      why: "Windows alone has no such ids.",
    },
  ],
  "src/protocol/stats.ts": [
    { function: "shortened", mutator: "EqualityOperator", why: "A boundary of one character." },
    {
      function: "parseStats",
      mutator: "ConditionalExpression",
      why: "A reason that is undefined is read like one that is left out.",
    },
    { function: "isCount", mutator: "EqualityOperator", why: "A boundary that no job comes near." },
    { function: "isText", mutator: "EqualityOperator", why: "A boundary of one character." },
    {
      function: "isRecordOf",
      mutator: "EqualityOperator",
      why: "A boundary that no report of the agent's comes near.",
    },
    {
      function: "isListOfReads",
      mutator: "EqualityOperator",
      why: "A boundary: the agent reports half as many.",
    },
  ],
  "src/redact.ts": [
    {
      function: "secretsOfThisProcess",
      mutator: "ArrayDeclaration",
      why: "No text has the words that take the place of the empty list.",
    },
    { function: "foldCase", mutator: "Regex", why: "Letter by letter gives the same text." },
    { function: "quote", mutator: "EqualityOperator", why: "A boundary of one character." },
    {
      function: "PLAIN",
      mutator: "Regex",
      why: "It saves time alone: visible ASCII has nothing that the clean-up changes.",
    },
    {
      function: "maskedForms",
      mutator: "OptionalChaining",
      why: "An expression with a named group gives groups whenever it matches.",
    },
  ],
  "src/step/cancel.ts": [
    {
      function: "rejectAfterGrace",
      mutator: "ObjectLiteral",
      why: "A step ends its process by process.exit(), whatever timer still runs.",
    },
    {
      function: "rejectAfterGrace",
      mutator: "BooleanLiteral",
      why: "A step ends its process by process.exit(), whatever timer still runs.",
    },
  ],
  "src/step/marks.ts": [
    {
      function: "MainMark.hasPostBegun",
      mutator: "ConditionalExpression",
      why: "The name that is made of no mark is that of no file.",
    },
    {
      function: "MainMark.remove",
      mutator: "ConditionalExpression",
      why: "To remove what has no path throws, and whatever is thrown there is caught.",
    },
    {
      function: "leave",
      mutator: "StringLiteral",
      why: "The name is random, so nobody can have put a file or a link there before.",
    },
    {
      function: "leave",
      mutator: "BlockStatement",
      why: "A function that ends without a return gives undefined as well.",
    },
    {
      function: "endMain",
      mutator: "ConditionalExpression",
      why: "What follows finds that main does not run, and removes both marks, its own included.",
    },
    {
      function: "endMain",
      mutator: "BlockStatement",
      why: "What follows finds that main does not run, and removes both marks, its own included.",
    },
    {
      function: "endMain",
      mutator: "StringLiteral",
      why: "Main looks whether post's mark is there, and never into it.",
    },
    { function: "endMain", mutator: "EqualityOperator", why: "A boundary of no length." },
    {
      function: "endMainsWithoutState",
      mutator: "ArrayDeclaration",
      why: "The words that take the place of the empty list are the name of no mark.",
    },
    {
      function: "endMainsWithoutState",
      mutator: "MethodExpression",
      why: "endMain takes no other name for a mark's either.",
    },
    { function: "isRunning", mutator: "ArrowFunction", why: "Neither is a number above 0." },
    { function: "isRunning", mutator: "StringLiteral", why: "Neither is a number above 0." },
  ],
  "src/step/missing.ts": [
    {
      function: "PRODUCT",
      mutator: "Regex",
      why: "As it can match nothing, its first match is at the beginning in any case.",
    },
    {
      function: "refuseMisspeltInputs",
      mutator: "OptionalChaining",
      why: "A match of a pattern with a named group has groups.",
    },
    {
      function: "refuseMisspeltInputs",
      mutator: "Regex",
      why: "The group takes all that follows, so it reaches the end in any case.",
    },
    {
      function: "isAlmost",
      mutator: "EqualityOperator",
      why: "Behind the end of a name, what is left of it is empty as well.",
    },
    {
      function: "isFromFork",
      mutator: "Regex",
      why: "No event of GitHub's has pull_request anywhere but at the beginning of its name.",
    },
    { function: "isFromFork", mutator: "StringLiteral", why: "Neither is a pull request's event." },
    {
      function: "isFromFork",
      mutator: "OptionalChaining",
      why: "Behind the question whether its head is a fork, the pull request is there.",
    },
    {
      function: "readEvent",
      mutator: "StringLiteral",
      why: "Neither is the name of a file.",
    },
    {
      function: "readEvent",
      mutator: "ConditionalExpression",
      why: "The file is closed when the process ends, which the missing input makes it do.",
    },
    {
      function: "readEvent",
      mutator: "BlockStatement",
      why: "The file is closed when the process ends, which the missing input makes it do.",
    },
  ],
  "src/step/outputs.ts": [
    {
      function: "noProxyLists",
      mutator: "Regex",
      why: "Between two signs there is an empty text, which is filtered out.",
    },
  ],
  "src/step/pem.ts": [
    {
      function: "BETWEEN",
      mutator: "Regex",
      count: 2,
      why: "Signs that do not go in one match go one by one.",
    },
    {
      function: "readCertificates",
      mutator: "OptionalChaining",
      why: "A match of a pattern with a named group has groups.",
    },
    {
      function: "readCertificates",
      mutator: "StringLiteral",
      why: "The group is part of every match.",
    },
    {
      function: "readCertificates",
      mutator: "ArrayDeclaration",
      why: "The words that take the place of the empty list are no certificate either.",
    },
    {
      function: "isCertificate",
      mutator: "BlockStatement",
      why: "The undefined of a function that ends without a return is taken as false.",
    },
  ],
  "src/step/post.ts": [
    {
      function: "endAll",
      mutator: "ConditionalExpression",
      count: 2,
      why: "To mask a token a second time changes nothing, and an agent of which nothing is known has no report.",
    },
    {
      function: "currentState",
      mutator: "ConditionalExpression",
      why: "To read a file without a path throws, which gives the saved state as well.",
    },
    {
      function: "currentState",
      mutator: "StringLiteral",
      count: 2,
      why: "The folder of each of these texts is the working folder's, `.`.",
    },
  ],
  "src/step/runner-files.ts": [
    {
      function: "APPEND",
      mutator: "LogicalOperator",
      why: "In a process of its own, __tests__/step/pipes.test.ts holds it.",
    },
    {
      function: "closeFilesToOthers",
      mutator: "ConditionalExpression",
      why: "To open what has no path throws, and whatever is thrown there is caught.",
    },
    {
      function: "closeToOthers",
      mutator: "BlockStatement",
      why: "The files, four at most, are closed when the step's process ends.",
    },
    {
      function: "closeToOthers",
      mutator: "ConditionalExpression",
      why: "The files, four at most, are closed when the step's process ends.",
    },
    { function: "use", mutator: "StringLiteral", why: "Neither is the name of a file." },
  ],
  "src/step/state.ts": [
    {
      function: "parseStateFile",
      mutator: "ConditionalExpression",
      why: "A match of a pattern with named groups has groups.",
    },
    { function: "parseTime", mutator: "StringLiteral", why: "Neither is a number above 0." },
    {
      function: "parseTime",
      mutator: "EqualityOperator",
      why: "A boundary of one millisecond, which a Date can still hold.",
    },
  ],
  "src/step/supply.ts": [
    {
      function: "supply",
      mutator: "ObjectLiteral",
      why: "What is undefined is taken as false.",
    },
    {
      function: "giveBack",
      mutator: "ConditionalExpression",
      why: "An agent that runs has a folder.",
    },
    {
      function: "handOnAgent",
      mutator: "ConditionalExpression",
      why: "With dist/, __tests__/bundle/system.test.ts holds it, where the system forbids programs.",
    },
    {
      function: "handOnAgent",
      mutator: "BlockStatement",
      why: "With dist/, __tests__/bundle/system.test.ts holds it, where the system forbids programs.",
    },
    {
      function: "handOnAgent",
      mutator: "StringLiteral",
      count: 2,
      why: "With dist/, __tests__/bundle/system.test.ts holds it, where the system forbids programs.",
    },
  ],
};
