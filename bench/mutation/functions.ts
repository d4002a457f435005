// The names of functions by place in a source, so that a mutant is known by where it is and not by
// the text of a line.

import { parse } from "@babel/parser";

/** As Stryker counts: both from 0. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What has a name, from its beginning to its end. */
export interface NamedRange {
  /** With the names around it: `Gateway.serve`, `openAgent.stop`. */
  readonly name: string;
  readonly start: Position;
  readonly end: Position;
}

/** What Babel's nodes have in common, as far as it is used here. */
interface AstNode {
  readonly type: string;
  readonly loc?: { readonly start: Position; readonly end: Position } | null;
  readonly id?: AstNode | null;
  readonly key?: AstNode;
  readonly name?: string;
  readonly init?: AstNode | null;
  readonly value?: AstNode | string | null;
}

export const TOP_LEVEL = "(top level)";

const FUNCTIONS = new Set(["ArrowFunctionExpression", "FunctionExpression"]);
const METHODS = new Set(["ClassMethod", "ClassPrivateMethod", "ObjectMethod"]);
const PROPERTIES = new Set(["ClassProperty", "ClassPrivateProperty"]);

/**
 * All functions, methods, classes and constants of the top level, the outer before what is in it.
 */
export function namedRangesOf(source: string): readonly NamedRange[] {
  const ranges: NamedRange[] = [];
  const { program } = parse(source, { sourceType: "module", plugins: ["typescript"] });
  for (const statement of program.body) collect(statement as AstNode, [], ranges);
  return ranges;
}

/** The innermost name at this place. */
export function nameAt(ranges: readonly NamedRange[], place: Position): string {
  const around = ranges.filter(({ start, end }) => !isBefore(place, start) && isBefore(place, end));
  return around.at(-1)?.name ?? TOP_LEVEL;
}

function isBefore(one: Position, other: Position): boolean {
  if (one.line !== other.line) return one.line < other.line;
  return one.column < other.column;
}

function collect(node: AstNode, outer: readonly string[], ranges: NamedRange[]): void {
  const own = nameOf(node, outer.length === 0);
  const names = own === undefined ? outer : [...outer, own];
  if (own !== undefined && node.loc) {
    const { start, end } = node.loc; // Babel counts lines from 1
    ranges.push({
      name: names.join("."),
      start: { line: start.line - 1, column: start.column },
      end: { line: end.line - 1, column: end.column },
    });
  }
  for (const child of childrenOf(node)) collect(child, names, ranges);
}

/**
 * Undefined for what has no name of its own, and for constants inside of functions that hold no
 * function.
 */
function nameOf(node: AstNode, isTopLevel: boolean): string | undefined {
  if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") return node.id?.name;
  if (METHODS.has(node.type)) return keyOf(node);
  if (PROPERTIES.has(node.type)) return keyOf(node);
  if (node.type === "ObjectProperty") return isFunction(node.value) ? keyOf(node) : undefined;
  if (node.type !== "VariableDeclarator") return undefined;
  return isTopLevel || isFunction(node.init) ? node.id?.name : undefined;
}

function keyOf({ key }: AstNode): string | undefined {
  if (key?.type === "PrivateName") return key.id?.name;
  return key?.name ?? (typeof key?.value === "string" ? key.value : undefined);
}

function isFunction(value: AstNode["value"]): boolean {
  return typeof value === "object" && value !== null && FUNCTIONS.has(value.type);
}

function childrenOf(node: AstNode): AstNode[] {
  return Object.values(node)
    .flat()
    .filter((value): value is AstNode => typeof value?.type === "string" && "loc" in value);
}
