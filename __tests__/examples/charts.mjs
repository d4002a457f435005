import { Window } from "happy-dom";
import { filesIn } from "./out.mjs";

export async function chartFaults(folder) {
  // Mermaid cleans titles with the help of a document.
  const window = new Window();
  Object.assign(globalThis, { window, document: window.document });
  const { default: mermaid } = await import("mermaid");
  const faults = [];
  for (const { name, text } of await filesIn(folder, ".summary.md")) {
    const charts = [...text.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)];
    if (charts.length === 0) faults.push(`${name} has no chart`);
    for (const [, chart] of charts) {
      await mermaid.parse(chart).catch((error) => faults.push(`${name}: ${error.message}`));
    }
  }
  await window.happyDOM.close();
  return faults;
}
