/** Prepares a measurement: makes the operands, returns what is timed. */
export type Row = () => () => unknown;
