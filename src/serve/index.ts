// firebrand/serve: language models behind an HTTP server.
import "../devices.ts";

export { type ServeOptions, serve, type ServerHandle } from "./serve.ts";
