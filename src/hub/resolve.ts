// What a name stands for: what is there locally goes before a model of the hub.
import { hubFiles, type HubFiles, isHubId } from "./index.ts";
import type { HubOptions } from "./options.ts";

/** The files of a model of the hub; null where the source is something local, or no name that the hub could know. */
export async function fromHub(source: string, options: HubOptions = {}): Promise<HubFiles | null> {
  if (!isHubId(source) || (await import("node:fs")).existsSync(source)) return null;
  return hubFiles(source, options);
}
