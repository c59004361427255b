// The library's version, as package.json has it; files carry it.

/** The version of this library. @example version.split(".").length // => 3 */
export const version = "0.1.0" as const;
