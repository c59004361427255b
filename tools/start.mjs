// Sets up what is missing, then runs a program of the project in this very process, which so gets Ctrl-C and all else that comes:
// `node tools/start.mjs examples/gpt/main.js [arguments]`.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setup } from "./setup.mjs";

await setup();
const program = join(root, "build", process.argv[2] ?? "examples/gpt/main.js");
process.argv.splice(1, 2, program);
await import(pathToFileURL(program));
