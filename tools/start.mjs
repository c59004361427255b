// `npm start`: sets up what is missing, then runs the main job with the given arguments.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, setup } from "./setup.mjs";

await setup();
const [script = "examples/gpt/main.js", ...args] = process.argv[2]?.endsWith(".js")
  ? process.argv.slice(2)
  : [undefined, ...process.argv.slice(2)];
const child = spawn(process.execPath, [join(root, "build", script), ...args], { stdio: "inherit" });
process.on("SIGINT", () => {}); // the job decides what Ctrl-C means
child.on("close", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
