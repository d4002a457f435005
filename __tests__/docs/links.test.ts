// Links and anchors lead somewhere, and the owner's name is the same everywhere.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "../../sandbox/runner.ts";
import { annotationOf, REPOSITORY } from "../../src/errors.ts";
import { anchors, DOCUMENTS, ourFiles, read } from "./markdown.ts";

/** Whether a path below ROOT exists and, where the link names an anchor of a document, has it. */
function leadsSomewhere(from: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? from : join(dirname(from), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchors(read(target)).includes(anchor);
}

test.each(DOCUMENTS)("links of %s", (document) => {
  const links = [...read(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const inside = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(inside.filter((link) => !leadsSomewhere(document, link))).toEqual([]);
});

test("addresses of this repository lead somewhere", () => {
  const address = new RegExp(`${REPOSITORY}/(?:blob/v1|actions/workflows)/([\\w./-]*[\\w])(#[\\w-]+)?`, "g");
  const texts = [...ourFiles().map((path) => read(path)), annotationOf("input_invalid", "")];
  const links = texts.flatMap((text) => [...text.matchAll(address)]);
  const paths = links.map(([all, path = "", anchor = ""]) =>
    all.includes("/blob/") ? path + anchor : `.github/workflows/${path.replace("/badge.svg", "")}`,
  );
  expect(paths.length).toBeGreaterThan(2);
  expect(paths.filter((path) => !leadsSomewhere("README.md", path))).toEqual([]);
});

test("the owner's name is the same everywhere", () => {
  const [, owner] = /github\.com\/([\w-]+)\/armor-token-action$/.exec(REPOSITORY) ?? [];
  const found = ourFiles().flatMap((path) =>
    [
      ...read(path).matchAll(
        /(?<![\w./-]|github\.com\/)(?:[\w.:/]*github\.com\/)?@?([\w-]+)\/armor-token-action/g,
      ),
    ].map(([, name]) => `${path}: ${name}`),
  );
  expect(found.length).toBeGreaterThan(10);
  const ignored = /: (OWNER|\$?\{?owner\}?)$/;
  expect(found.filter((line) => !line.endsWith(`: ${owner}`) && !ignored.test(line))).toEqual([]);
});
