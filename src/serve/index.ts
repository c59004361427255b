// firebrand/serve: language models behind an HTTP server.
import "../devices.ts";

export type { ServeOptions } from "./options.ts";
export { serve, type ServerHandle } from "./serve.ts";
