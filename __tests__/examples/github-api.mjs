import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { filesIn } from "./out.mjs";

const DOCUMENT = createRequire(import.meta.url).resolve(
  "@octokit/openapi/generated/api.github.com.json",
);

/** What the scripts asked for, and what the stand-in answered, is what GitHub's own description allows. */
export async function exchangeFaults(folder) {
  const { components, paths } = JSON.parse(await readFile(DOCUMENT, "utf8"), nullable);
  const ajv = new Ajv({ strict: false, logger: false });
  addFormats(ajv);
  ajv.addSchema({ $id: "github", components });
  const compiled = new Map();
  const check = (schema, value) => {
    const key = JSON.stringify(schema);
    const validate =
      compiled.get(key) ?? ajv.compile(JSON.parse(key.replaceAll('"#/', '"github#/')));
    compiled.set(key, validate);
    return validate(value) ? [] : [ajv.errorsText(validate.errors)];
  };
  const [{ text }] = await filesIn(folder, "github-exchanges.jsonl");
  const exchanges = new Set(text.trim().split("\n")); // many are the same
  const faults = [...exchanges].flatMap((line) => {
    const exchange = JSON.parse(line);
    const found = operationOf(paths, exchange);
    const problems =
      found === undefined ? unknown(exchange) : faultsOf(exchange, found, components, check);
    return problems.map(
      (problem) => `${exchange.method} ${exchange.path} ${exchange.status}: ${problem}`,
    );
  });
  return [...new Set(faults)];
}

/** OpenAPI 3.0 has `nullable` beside `$ref` and `enum`, too, where Ajv wants a type, and null listed. */
function nullable(_, schema) {
  if (schema?.nullable !== true) return schema;
  const { nullable: _isNullable, ...rest } = schema;
  return { anyOf: [rest, { type: "null" }] };
}

/** A call of which the description knows nothing has to be one that the stand-in refused, too. */
const unknown = ({ status }) => (status === 404 || status === 401 ? [] : ["no such call"]);

function operationOf(paths, { method, path }) {
  const templates = Object.entries(paths).filter(([template, operations]) => {
    const pattern = template.replace(/\{[^}]+\}/g, "[^/]+");
    return operations[method.toLowerCase()] && new RegExp(`^${pattern}$`).test(path);
  });
  return templates[0]?.[1][method.toLowerCase()];
}

function faultsOf({ query, request, status, response }, operation, components, check) {
  // Any call can be answered so; the description leaves it out.
  if (status === 401 || status === 429 || status === 500) return [];
  const parameters = (operation.parameters ?? []).map((one) => resolve(one, components));
  const names = parameters.filter((one) => one.in === "query").map(({ name }) => name);
  const body = operation.requestBody?.content["application/json"].schema;
  const answers = resolve(operation.responses[status] ?? {}, components);
  const answer = answers.content?.["application/json"]?.schema;
  return [
    ...Object.keys(query)
      .filter((name) => !names.includes(name))
      .map((name) => `no parameter ${name}`),
    ...parameters.flatMap(({ name, schema }) =>
      name in query ? check(schema, typed(query[name], schema)) : [],
    ),
    ...(request === null ? [] : check({ ...body, additionalProperties: false }, request)),
    ...(operation.responses[status] === undefined ? ["no such status"] : []),
    ...(answer === undefined ? [] : check(answer, response)),
  ];
}

const resolve = (one, components) =>
  one.$ref === undefined
    ? one
    : one.$ref
        .split("/")
        .slice(2)
        .reduce((part, key) => part[key], components);

const typed = (text, { type }) => (type === "integer" ? Number(text) : text);
